// Kernels of the convolution of a group norm.
#pragma once

#include "kernels/conv2d.hpp"
#include "kernels/group_norm.hpp"

namespace eddy::inline v0_1 {

struct KernelTable;

struct NormConvShape {
  GroupNormShape norm;
  ConvShape conv;  // of the norm's output
};

// Passes made of the table's kernels of either, with their bytes. Packed weights are those of conv2d.hpp.
struct NormConvKernels {
  // How many samples a thread takes through both at a time; 0: one pass after the other.
  std::int64_t (*part)(const KernelTable&, const NormConvShape&, int slots);

  std::int64_t (*forward_scratch)(const KernelTable&, const NormConvShape&, int slots);  // floats
  // stats (n, groups, 2) and y are written; what is added to y as in conv2d.hpp.
  void (*forward)(const Launch&, const KernelTable&, const NormConvShape&, const GroupNormInputs<float>&, const float* weight,
                  const float* packed, const float* bias, const float* sample_bias, const float* residual, float* stats, float* y,
                  float* scratch);

  std::int64_t (*backward_scratch)(const KernelTable&, const NormConvShape&, int slots);
  // The gradients of the norm's inputs, and where `sums` is given the sums of dy over pixels, (n, out).
  void (*backward)(const Launch&, const KernelTable&, const NormConvShape&, const GroupNormInputs<float>&, const float* stats,
                   const float* dy, const float* weight, const float* packed, const GroupNormGradients<float>&, float* sums,
                   float* scratch);
};

}  // namespace eddy::inline v0_1
