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

template <class Real>
struct GroupNormInputs {
  const Real* x;
  const Real* x2;     // null when c2 is 0
  const Real* gamma;  // (c1 + c2)
  const Real* beta;
  const Real* scale;  // (n, c1 + c2) or null
  const Real* shift;
};

template <class Real>
struct GroupNormGradients {
  Real* dx;
  Real* dx2;
  Real* dgamma;  // (c1 + c2)
  Real* dbeta;
  Real* dscale;  // (n, c1 + c2) or null
  Real* dshift;
  const Real* onto = nullptr;  // what is added to dx and to dx2
  const Real* onto2 = nullptr;
};

template <class Real>
struct GroupNormKernels {
  std::int64_t (*sample_scratch)(const GroupNormShape&);  // floats for one sample, for either pass; n times as many for all
  // stats (n, groups, 2): mean and 1 / deviation; written, or read when `known`.
  void (*forward)(const Launch&, const GroupNormShape&, const GroupNormInputs<Real>&, bool known, Real* stats, Real* y,
                  Real* scratch);
  void (*backward)(const Launch&, const GroupNormShape&, const GroupNormInputs<Real>&, const Real* stats, const Real* dy,
                   const GroupNormGradients<Real>&, Real* scratch);

  // One sample of either, on the thread that calls: y, dy and scratch are the sample's, all else is the batch's.
  void (*forward_sample)(const GroupNormShape&, const GroupNormInputs<Real>&, std::int64_t sample, Real* stats, Real* y,
                         Real* scratch);
  void (*backward_sample)(const GroupNormShape&, const GroupNormInputs<Real>&, std::int64_t sample, const Real* stats,
                          const Real* dy, const GroupNormGradients<Real>&, Real* scratch);
  // The gradients of gamma, beta, scale and shift, when every sample has gone backward in its part of `scratch`.
  void (*finish_backward)(const GroupNormShape&, const GroupNormInputs<Real>&, const GroupNormGradients<Real>&, Real* scratch);
};

}  // namespace eddy::inline v0_1
