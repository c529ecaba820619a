// The kernel of resampling with a fixed filter along both axes.
#pragma once

#include "kernels/launch.hpp"

namespace eddy::inline v0_1 {

// One output along an axis: the sum of weight[k] times the input at first + k.
struct FirTaps {
  static constexpr int kMost = 8;
  std::int64_t first = 0;
  int count = 0;
  float weight[kMost] = {};
};

struct FirShape {
  std::int64_t n, from_height, from_width, height, width, channels;
};

struct FirKernels {
  // y (n, height, width, channels) from x (n, from_height, from_width, channels); rows: height taps, columns: width taps.
  void (*apply)(const Launch&, const FirShape&, const FirTaps* rows, const FirTaps* columns, const float* x, float* y);
};

}  // namespace eddy::inline v0_1
