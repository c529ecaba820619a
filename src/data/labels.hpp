// Labels of a batch.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "eddy/error.hpp"
#include "eddy/network.hpp"

namespace eddy::inline v0_1 {

// class_labels of all n samples, (n); nothing when none has one. Throws Error when only some have.
inline Condition labels_of(const char* who, const std::vector<std::int64_t>& labels, std::int64_t n, const Context& context) {
  const auto given = static_cast<std::int64_t>(labels.size());
  if (given == 0) return {};
  if (given != n) {
    throw Error(std::string(who) + ": " + std::to_string(given) + " of " + std::to_string(n) +
                " samples have labels; either all must have one, or none");
  }
  return {{"class_labels", Tensor::from(std::span<const std::int64_t>(labels), {n}, context)}};
}

}  // namespace eddy::inline v0_1
