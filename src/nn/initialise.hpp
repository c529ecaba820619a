// Filling parameters before training.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "eddy/nn.hpp"

namespace eddy::inline v0_1 {

// Element i is a function of (seed, name, i).
void fill(std::span<float> values, const Initializer& initializer, std::uint64_t seed, const std::string& name);

}  // namespace eddy::inline v0_1
