// Squares of kWidth x kWidth floats, transposed in registers.
#pragma once

#include <utility>

#include "kernels/vec.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

// Lanes whose bit kHalf is 0 from a, the others from b, kHalf lanes lower down; or, kOdd, the lanes whose bit is 1.
template <int kHalf, bool kOdd, int... kLane>
EDDY_INLINE Vec join_halves(Vec a, Vec b, std::integer_sequence<int, kLane...>) {
  if constexpr (kOdd) {
    return __builtin_shufflevector(a, b, (kLane & kHalf ? kWidth + kLane : kLane + kHalf)...);
  } else {
    return __builtin_shufflevector(a, b, (kLane & kHalf ? kWidth + kLane - kHalf : kLane)...);
  }
}

// v[i][j] and v[j][i] change places: squares of kHalf off the diagonal do, at each scale.
template <int kHalf = kWidth / 2>
EDDY_INLINE void transpose(Vec* v) {
  constexpr auto lanes = std::make_integer_sequence<int, kWidth>{};
#pragma GCC unroll 16
  for (int i = 0; i < kWidth; ++i) {
    if (i & kHalf) continue;
    const Vec a = v[i], b = v[i + kHalf];
    v[i] = join_halves<kHalf, false>(a, b, lanes);
    v[i + kHalf] = join_halves<kHalf, true>(a, b, lanes);
  }
  if constexpr (kHalf > 1) transpose<kHalf / 2>(v);
}

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
