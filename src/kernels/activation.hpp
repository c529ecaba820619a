// Kernels of activations.
#pragma once

#include "kernels/launch.hpp"

namespace eddy::inline v0_1 {

// In the order of eddy::Activation.
enum class ActivationKind { none, silu, relu, gelu, gelu_tanh, quick_gelu, tanh, sigmoid, mish, exp };

struct ActivationKernels {
  void (*forward)(const Launch&, ActivationKind, std::int64_t n, const float* x, float* y);
  // dx = dy f'(x)
  void (*backward)(const Launch&, ActivationKind, std::int64_t n, const float* x, const float* dy, float* dx);
};

}  // namespace eddy::inline v0_1
