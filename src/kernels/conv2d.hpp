// Kernels of two-dimensional convolutions, (N, H, W, C).
#pragma once

#include "kernels/launch.hpp"

namespace eddy::inline v0_1 {

struct ConvShape {
  std::int64_t n, height, width, in;             // x
  std::int64_t out, out_height, out_width;       // y
  std::int64_t kernel_height, kernel_width, stride;
  std::int64_t pad_top, pad_left;                // what lies below and to the right follows from the sizes
  bool part = false;  // samples of a larger batch, with whose packed weights they go: no way is taken that packs none
};

struct ConvKernels {
  // Packed weights of one algorithm are not those of another.
  int (*forward_algorithm)(const ConvShape&);
  // Floats of the packed weights and of scratch; all may be asked for any shape. Where packed weights have no length, the
  // weights are read as they are.
  std::int64_t (*forward_packed)(const ConvShape&);
  std::int64_t (*forward_scratch)(const ConvShape&, int slots);
  void (*pack_forward)(const Launch&, const ConvShape&, const float* weight, float* packed);
  // y = x * W + bias + sample_bias (n, out) + residual (like y).
  void (*forward)(const Launch&, const ConvShape&, const float* x, const float* weight, const float* packed,
                  const float* bias, const float* sample_bias, const float* residual, float* y, float* scratch);

  std::int64_t (*backward_data_packed)(const ConvShape&);
  std::int64_t (*backward_data_scratch)(const ConvShape&, int slots);
  void (*pack_backward_data)(const Launch&, const ConvShape&, const float* weight, float* packed);
  void (*backward_data)(const Launch&, const ConvShape&, const float* dy, const float* weight, const float* packed,
                        float* dx, float* scratch);

  std::int64_t (*backward_weight_scratch)(const ConvShape&, int slots);
  void (*backward_weight)(const Launch&, const ConvShape&, const float* x, const float* dy, float* dw, float* scratch);
};

}  // namespace eddy::inline v0_1
