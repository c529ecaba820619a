// Kernels of activations.
#pragma once

#include "kernels/launch.hpp"

namespace eddy::inline v0_1 {

// In the order of eddy::Activation.
enum class ActivationKind { none, silu, relu, gelu, gelu_tanh, quick_gelu, tanh, sigmoid, mish, exp };

template <class Real>
struct ActivationKernels {
  void (*forward)(const Launch&, ActivationKind, std::int64_t n, const Real* x, Real* y);
  // dx = dy f'(x)
  void (*backward)(const Launch&, ActivationKind, std::int64_t n, const Real* x, const Real* dy, Real* dx);
};

}  // namespace eddy::inline v0_1
