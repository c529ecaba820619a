// The block of bfloat16 products: 32 rows times a panel of 32 columns, in AMX tiles or in AVX-512 BF16 registers.
//
//   c (32 x 32) = [c +] sum over taps and inner indices of A B, accumulated in float32
//
// A row of A is contiguous along the inner index; each tap shifts where the rows begin, so that a convolution reads its
// picture in place. B lies in steps of 32 inner indices: two halves of 16 columns, each 16 rows of 16 pairs, a pair being two
// inner indices of one column. Every element is one chain over taps and steps in order, wherever its row lies in the block.
// The two units round their sums in another order. Both take subnormal numbers for zero.
#pragma once

#include "kernels/vec.hpp"
#if defined(__AMX_BF16__) || defined(__AMXBF16__)  // as g++ and as clang names it
#include "kernels/amx_tiles.hpp"
#endif

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

using Bf = std::uint16_t;

constexpr std::int64_t kSide = 32;                // rows, columns and inner indices of a block
constexpr std::int64_t kHalf = 16;
constexpr std::int64_t kStep = kSide * kSide;     // elements of B of one step
constexpr std::int64_t kBlock = kSide * kSide;    // floats of c

// Sixteen rows at `top`, sixteen at `bottom`, each at distance ld; a tap (y, x) begins at y row_shift + x column_shift.
struct LeftFactor {
  const Bf* top;
  const Bf* bottom;
  std::int64_t ld, steps;
  std::int64_t taps_y = 1, taps_x = 1, row_shift = 0, column_shift = 0;
};

#if defined(__AMX_BF16__) || defined(__AMXBF16__)

inline void block(const LeftFactor& a, const Bf* b, bool go_on, float* c) {
  constexpr std::int64_t kRow = kSide * 4, kTileRow = 64;
  __asm__ volatile("" ::: "memory");  // g++'s tile loads do not say that they read memory
  if (go_on) {
    _tile_loadd(0, c, kRow);
    _tile_loadd(1, c + kHalf, kRow);
    _tile_loadd(2, c + kHalf * kSide, kRow);
    _tile_loadd(3, c + kHalf * kSide + kHalf, kRow);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  const std::int64_t row = a.ld * 2;
  for (std::int64_t y = 0; y < a.taps_y; ++y) {
    for (std::int64_t x = 0; x < a.taps_x; ++x) {
      const Bf* top = a.top + y * a.row_shift + x * a.column_shift;
      const Bf* bottom = a.bottom + y * a.row_shift + x * a.column_shift;
      for (std::int64_t s = 0; s < a.steps; ++s, top += kSide, bottom += kSide, b += kStep) {
        _tile_loadd(6, b, kTileRow);
        _tile_loadd(4, top, row);
        _tile_loadd(7, b + kStep / 2, kTileRow);
        _tile_loadd(5, bottom, row);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
    }
  }
  _tile_stored(0, c, kRow);
  _tile_stored(1, c + kHalf, kRow);
  _tile_stored(2, c + kHalf * kSide, kRow);
  _tile_stored(3, c + kHalf * kSide + kHalf, kRow);
}

#else

struct Unit {
  Unit() {}
};

constexpr int kGroup = 8;  // rows whose sums are in registers at a time, 16 of the 32

// Rows [0, kGroup) of `first` at distance ld; c is their first row.
inline void block_rows(const LeftFactor& a, const Bf* first, const Bf* b, bool go_on, float* c) {
  __m512 left[kGroup], right[kGroup];
#pragma GCC unroll 8
  for (int i = 0; i < kGroup; ++i) {
    left[i] = go_on ? _mm512_loadu_ps(c + i * kSide) : _mm512_setzero_ps();
    right[i] = go_on ? _mm512_loadu_ps(c + i * kSide + kHalf) : _mm512_setzero_ps();
  }
  for (std::int64_t y = 0; y < a.taps_y; ++y) {
    for (std::int64_t x = 0; x < a.taps_x; ++x) {
      const Bf* rows = first + y * a.row_shift + x * a.column_shift;
      for (std::int64_t s = 0; s < a.steps; ++s, rows += kSide, b += kStep) {
        for (std::int64_t pair = 0; pair < kHalf; ++pair) {
          const auto l = (__m512bh)_mm512_loadu_si512(b + pair * kSide);
          const auto r = (__m512bh)_mm512_loadu_si512(b + kStep / 2 + pair * kSide);
#pragma GCC unroll 8
          for (int i = 0; i < kGroup; ++i) {
            std::int32_t both;
            __builtin_memcpy(&both, rows + i * a.ld + 2 * pair, sizeof both);
            const auto v = (__m512bh)_mm512_set1_epi32(both);
            left[i] = _mm512_dpbf16_ps(left[i], v, l);
            right[i] = _mm512_dpbf16_ps(right[i], v, r);
          }
        }
      }
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kGroup; ++i) {
    _mm512_storeu_ps(c + i * kSide, left[i]);
    _mm512_storeu_ps(c + i * kSide + kHalf, right[i]);
  }
}

inline void block(const LeftFactor& a, const Bf* b, bool go_on, float* c) {
  for (std::int64_t i = 0; i < kHalf; i += kGroup) {
    block_rows(a, a.top + i * a.ld, b, go_on, c + i * kSide);
    block_rows(a, a.bottom + i * a.ld, b, go_on, c + (kHalf + i) * kSide);
  }
}

#endif

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
