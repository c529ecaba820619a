// Kernels of attention.
#pragma once

#include "kernels/launch.hpp"

namespace eddy::inline v0_1 {

// q (n, queries, heads d), k and v (n, keys, kv_heads d).
struct AttentionShape {
  std::int64_t n, queries, keys, heads, kv_heads, d;
  double scale;
  bool causal;
};

// Additive bias with strides (0 where it is broadcast), its last extent is keys.
template <class Real>
struct AttentionBias {
  const Real* data;
  std::int64_t sample_stride, head_stride, query_stride;
};

template <class Real>
struct AttentionInputs {
  const Real* q;
  const Real* k;
  const Real* v;
  const Real* key_mask;  // (n, keys), 0 hides; or null
  AttentionBias<Real> bias;
};

template <class Real>
struct AttentionKernels {
  std::int64_t (*forward_scratch)(const AttentionShape&, int slots);
  // stats (n, heads, queries, 2): the largest score and 1 / sum exp(score - largest).
  void (*forward)(const Launch&, const AttentionShape&, const AttentionInputs<Real>&, Real* out, Real* stats, Real* scratch);
  std::int64_t (*backward_scratch)(const AttentionShape&, int slots);
  // dbias like bias (added to, zeroed by the caller), or null: then one thread runs all of it, in one order.
  void (*backward)(const Launch&, const AttentionShape&, const AttentionInputs<Real>&, const Real* out, const Real* stats,
                   const Real* dout, Real* dq, Real* dk, Real* dv, Real* dbias, Real* scratch);
};

}  // namespace eddy::inline v0_1
