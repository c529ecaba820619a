// The right factors of products in panels: B (k x n) -> [panel][k][kPanel columns], so that a product walks through memory.
//
// Columns that the last panel lacks are zero.
#pragma once

#include "kernels/gemm.hpp"
#include "kernels/transpose.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

inline std::int64_t packed_floats(std::int64_t k, std::int64_t n) { return round_up(n, kPanel) * k; }

// From B (k x n), rows at distance ld.
inline void pack_rows(const Launch& launch, std::int64_t k, std::int64_t n, const Real* b, std::int64_t ld, Real* packed) {
  constexpr std::int64_t kBlock = 16;  // rows of a tile of work: they are read in the order of memory
  parallel(launch, ceil_div(k, kBlock), [&](std::int64_t block, int) {
    for (std::int64_t j = 0; j < n; j += kPanel) {
      for (std::int64_t p = block * kBlock; p < lower(k, (block + 1) * kBlock); ++p) {
        const Real* from = b + p * ld + j;
        Real* to = packed + j * k + p * kPanel;
        store(to, load_up_to(from, n - j));
        store(to + kWidth, load_right<false>(from, n - j));
      }
    }
  });
}

// From B^T (n x k), rows at distance ld: its column p is row place(p) of B.
template <class Place>
inline void pack_columns(const Launch& launch, std::int64_t k, std::int64_t n, const Real* b, std::int64_t ld, Real* packed,
                         Place place) {
  parallel(launch, ceil_div(n, kPanel), [&](std::int64_t panel, int) {
    for (std::int64_t p = 0; p < k; p += kWidth) {
      for (int half = 0; half < kPanel; half += kWidth) {
        const std::int64_t first = panel * kPanel + half;
        Vec v[kWidth];
#pragma GCC unroll 16
        for (int i = 0; i < kWidth; ++i) v[i] = first + i < n ? load_up_to(b + (first + i) * ld + p, k - p) : zero();
        transpose(v);
#pragma GCC unroll 16
        for (int i = 0; i < kWidth; ++i) {
          if (p + i < k) store(packed + (panel * k + place(p + i)) * kPanel + half, v[i]);
        }
      }
    }
  });
}

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
