// Checking a U-Net's configuration.
#pragma once

#include "eddy/model.hpp"

namespace eddy::inline v0_1 {

// Throws Error naming the field.
void check(const UNetConfig& config);

}  // namespace eddy::inline v0_1
