// What a convolution and one of a group norm share.
#pragma once

#include "ops/support.hpp"

namespace eddy::inline v0_1 {

// Of pictures of shape x (N, H, W, C), and in2 channels behind those. Throws Error where the arguments do not fit.
ConvShape checked_conv2d(const Shape& x, std::int64_t in2, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options,
                         const Tensor& sample_bias, const Tensor& residual);

// Empty where the kernel reads the weights as they are.
Tensor packed_convolution(const Tensor& weight, const ConvShape& shape);

// The weights of a gradient of x: as they are, and packed.
struct GradientWeights {
  Tensor wide;
  PoolBlock packed;
  GradientWeights(const Tensor& weight, const ConvShape& shape);
};

// dw, from all of x.
void write_weight_gradient(const ConvShape& shape, const Tensor& x, const Tensor& g, const Tensor& dw);

}  // namespace eddy::inline v0_1
