// What a group norm and a convolution of one share.
#pragma once

#include "ops/support.hpp"

namespace eddy::inline v0_1 {

// A norm whose arguments are the first inputs of a Call. It holds them.
struct NormWork {
  enum Input { kX, kGamma, kBeta, kX2, kScale, kShift, kInputs };
  Tensor in[kInputs];
  GroupNormShape shape;
  GroupNormInputs<float> inputs;

  NormWork(const Call& call, const GroupNormOptions& options);
  std::size_t scratch_bytes() const;
  const GroupNormKernels<float>& kernels() const { return in[kX].context().kernels().group_norm; }
  static void keep_inputs(Call& call);
  static bool wanted(const Call& call);  // a gradient of one of them
};

// What the backward pass writes: new tensors in `result`, on top of what x and x2 got so far.
struct NormGradients {
  Tensor so_far, so_far2;
  GroupNormGradients<float> to;
  NormGradients(const Call& call, std::span<Tensor> result);
};

// The shape of the output. Throws Error where the arguments do not fit.
Shape checked_norm(const GroupNormed& norm);

}  // namespace eddy::inline v0_1
