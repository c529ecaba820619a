// Kernels of group norm with scale, shift and SiLU.
#pragma once

#include "kernels/launch.hpp"

namespace eddy::inline v0_1 {

// x (n, pixels, c1) joined with x2 (n, pixels, c2).
struct GroupNormShape {
  std::int64_t n, pixels, c1, c2, groups;
  double eps;
  bool silu;
};

struct GroupNormInputs {
  const float* x;
  const float* x2;     // null when c2 is 0
  const float* gamma;  // (c1 + c2)
  const float* beta;
  const float* scale;  // (n, c1 + c2) or null
  const float* shift;
};

struct GroupNormGradients {
  float* dx;
  float* dx2;
  float* dgamma;  // (c1 + c2)
  float* dbeta;
  float* dscale;  // (n, c1 + c2) or null
  float* dshift;
};

struct GroupNormKernels {
  std::int64_t (*scratch)(const GroupNormShape&);  // floats, for either
  // stats (n, groups, 2): mean and 1 / deviation; written, or read when `known`.
  void (*forward)(const Launch&, const GroupNormShape&, const GroupNormInputs&, bool known, float* stats, float* y,
                  float* scratch);
  void (*backward)(const Launch&, const GroupNormShape&, const GroupNormInputs&, const float* stats, const float* dy,
                   const GroupNormGradients&, float* scratch);
};

}  // namespace eddy::inline v0_1
