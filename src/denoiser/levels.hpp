// Coefficients from levels.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "eddy/ops.hpp"
#include "eddy/schedule.hpp"

namespace eddy::inline v0_1 {

// One level for all, or one a sample; throws Error naming the operation otherwise.
void check_levels(const char* operation, const Tensor& x, std::span<const NoiseLevel> levels);

// a(level) x + b(level) y
template <class A, class B>
Tensor combine_by_level(std::span<const NoiseLevel> levels, A a, const Tensor& x, B b, const Tensor& y) {
  if (levels.size() == 1) return combine(a(levels[0]), x, b(levels[0]), y);
  std::vector<double> as, bs;
  for (const NoiseLevel& level : levels) {
    as.push_back(a(level));
    bs.push_back(b(level));
  }
  return combine(as, x, bs, y);
}

}  // namespace eddy::inline v0_1
