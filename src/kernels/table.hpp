// The kernels of one instruction set.
#pragma once

#include "eddy/context.hpp"
#include "kernels/activation.hpp"
#include "kernels/attention.hpp"
#include "kernels/conv2d.hpp"
#include "kernels/fir.hpp"
#include "kernels/group_norm.hpp"
#include "kernels/linear.hpp"
#include "kernels/mse.hpp"
#include "kernels/norm_conv2d.hpp"
#include "kernels/optimizer.hpp"

namespace eddy::inline v0_1 {

struct KernelTable {
  ActivationKernels<float> activation;
  AttentionKernels<float> attention;
  ConvKernels conv2d;
  FirKernels fir;
  GroupNormKernels<float> group_norm;
  LinearKernels linear;
  MseKernels<float> mse;
  NormConvKernels norm_conv2d;
  OptimizerKernels optimizer;
};

// Null when this build has no kernels for the set.
const KernelTable* kernel_table(Isa isa) noexcept;
// AVX-512's, with products of bfloat16 factors; null when this build has none for the unit.
const KernelTable* product_table(Products products) noexcept;

}  // namespace eddy::inline v0_1
