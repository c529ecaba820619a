// Products of floats in AMX's integer tiles: a factor as three digits of 8 bits.
//
//   x = scale (d0 2^16 + d1 2^8 + d2),  -128 <= d < 128: 24 bits below the largest |x| of those that share the scale
//   x y = sx sy 2^32 (d0 e0 + (d0 e1 + d1 e0) 2^-8 + (d0 e2 + d1 e1 + d2 e0) 2^-16), but for what is below 2^-21 max|x| max|y|
//
// The three sums over inner indices are integers, exact in whatever order they are added, and are joined as floats once. What inner
// indices run over shares a scale: a row of the left factor, a column of the right one. So errors are small beside the lengths
// of row and column, as those of Winograd's sums are; beside a sum whose large terms are all times zero they need not be. Where
// the largest is not finite, the scale is not a number, and so is all that it touches; below 2^-100 scales no longer shrink.
// Floats as digits of integer units: [Ootomo2024].
#pragma once

#include <limits>

#include "kernels/amx_tiles.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

using Digit = std::int8_t;

constexpr std::int64_t kSide = 16;              // rows and columns of a tile
constexpr std::int64_t kInner = 64;             // inner indices of a step
constexpr std::int64_t kTile = kSide * kInner;  // digits of a tile
constexpr std::int64_t kStep = 3 * kTile;       // digits of a step of 16 columns
constexpr std::int64_t kSums = 3 * kSide * kSide;
constexpr std::int64_t kMostInner = 1 << 15;    // inner indices whose sums 32 bits hold: three products of 2^14 at each

inline std::int64_t floats_for(std::int64_t digits) { return ceil_div(digits, 4); }

// Magnitudes are compared by their bits: a NaN is the largest.
inline __m512i larger(__m512i a, __m512 x) {
  return _mm512_max_epi32(a, _mm512_and_si512((__m512i)x, _mm512_set1_epi32(0x7fffffff)));
}
// The largest magnitudes of n floats, in 16 lanes.
EDDY_INLINE __m512i largest_of(const float* x, std::int64_t n) {
  __m512i a = _mm512_setzero_si512(), b = a;
  std::int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    a = larger(a, _mm512_loadu_ps(x + i));
    b = larger(b, _mm512_loadu_ps(x + i + 16));
  }
  for (; i < n; i += 16) a = larger(a, _mm512_maskz_loadu_ps(lanes16(n - i), x + i));
  return _mm512_max_epi32(a, b);
}
// Lane i: the largest lane of r[i].
EDDY_INLINE __m512i largest_lanes(const __m512i (&r)[16]) {
  const auto join = [](__m512i a, __m512i b) { return _mm512_max_epi32(a, b); };
  __m512i t[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    t[i] = join(_mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]), _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]));
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[i] = join(_mm512_unpacklo_epi64(t[2 * i], t[2 * i + 1]), _mm512_unpackhi_epi64(t[2 * i], t[2 * i + 1]));
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    t[i] = join(_mm512_shuffle_i32x4(t[2 * i], t[2 * i + 1], 0x88), _mm512_shuffle_i32x4(t[2 * i], t[2 * i + 1], 0xdd));
  }
  return join(_mm512_shuffle_i32x4(t[0], t[1], 0x88), _mm512_shuffle_i32x4(t[0], t[1], 0xdd));
}

// 16 scales: to integers, and back from sums of products of digits (each factor's with 2^16, the weight of its first digit).
struct Scales {
  __m512 to, back;
};
// From the largest magnitudes' bits.
EDDY_INLINE Scales scales_of(__m512i bits) {
  constexpr float kMost = 8355000, kLeast = 0x1p-100f;  // digits of 127 at most; kMost / kLeast is finite
  const __m512 largest = _mm512_max_ps((__m512)bits, _mm512_set1_ps(kLeast));
  const __mmask16 finite = _mm512_cmplt_epi32_mask(bits, _mm512_set1_epi32(0x7f800000));
  const __m512 nothing = _mm512_set1_ps(std::numeric_limits<float>::quiet_NaN());
  return {_mm512_maskz_div_ps(finite, _mm512_set1_ps(kMost), largest),
          _mm512_mask_mul_ps(nothing, finite, largest, _mm512_set1_ps(65536 / kMost))};
}

// The digits of each lane in its bytes, the lowest first.
EDDY_INLINE __m512i digits(__m512 x, __m512 to) {
  const __m512i half = _mm512_set1_epi32(0x00808080);
  return _mm512_xor_si512(_mm512_add_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(x, to)), half), half);
}

// 16 numbers into three planes, the highest digit first.
EDDY_INLINE void store_digits(__m512i z, Digit* to, std::int64_t plane) {
  const __m512i order = _mm512_set_epi8(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,               //
                                        60, 56, 52, 48, 44, 40, 36, 32, 28, 24, 20, 16, 12, 8, 4, 0,  //
                                        61, 57, 53, 49, 45, 41, 37, 33, 29, 25, 21, 17, 13, 9, 5, 1,  //
                                        62, 58, 54, 50, 46, 42, 38, 34, 30, 26, 22, 18, 14, 10, 6, 2);
  const __m512i planes = _mm512_permutexvar_epi8(order, z);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_castsi512_si128(planes));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to + plane), _mm512_extracti32x4_epi32(planes, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 2 * plane), _mm512_extracti32x4_epi32(planes, 2));
}
// n floats as a row of a left factor, then zeros up to `padded`, a multiple of 16.
inline void store_row_digits(const float* from, std::int64_t n, float scale, Digit* to, std::int64_t plane, std::int64_t padded) {
  const __m512 s = _mm512_set1_ps(scale);
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) store_digits(digits(_mm512_loadu_ps(from + i), s), to + i, plane);
  for (; i < padded; i += 16) {
    store_digits(n > i ? digits(_mm512_maskz_loadu_ps(lanes16(n - i), from + i), s) : _mm512_setzero_si512(), to + i, plane);
  }
}

// Four inner indices of 16 columns of a right factor: each lane gets the four digits of its column.
EDDY_INLINE void store_column_digits(__m512i z0, __m512i z1, __m512i z2, __m512i z3, Digit* to) {
  constexpr __mmask64 kOdd = 0xaaaaaaaaaaaaaaaa;
  constexpr __mmask32 kUpper = 0xaaaaaaaa;
  const __m512i even01 = _mm512_mask_blend_epi8(kOdd, z0, _mm512_slli_epi32(z1, 8));
  const __m512i odd01 = _mm512_mask_blend_epi8(kOdd, _mm512_srli_epi32(z0, 8), z1);
  const __m512i even23 = _mm512_mask_blend_epi8(kOdd, z2, _mm512_slli_epi32(z3, 8));
  const __m512i odd23 = _mm512_mask_blend_epi8(kOdd, _mm512_srli_epi32(z2, 8), z3);
  _mm512_storeu_si512(to, _mm512_mask_blend_epi16(kUpper, _mm512_srli_epi32(even01, 16), even23));
  _mm512_storeu_si512(to + kTile, _mm512_mask_blend_epi16(kUpper, odd01, _mm512_slli_epi32(odd23, 16)));
  _mm512_storeu_si512(to + 2 * kTile, _mm512_mask_blend_epi16(kUpper, even01, _mm512_slli_epi32(even23, 16)));
}

// Right factors of one shape at some places: scales [place][column], digits [place][panel of 16 columns][step][digit][four inner
// indices][column].
struct DigitColumns {
  std::int64_t places, panels, steps;
  DigitColumns(std::int64_t n, std::int64_t inner, std::int64_t columns)
      : places(n), panels(ceil_div(columns, kSide)), steps(ceil_div(inner, kInner)) {}
  std::int64_t scales() const { return panels * kSide; }  // of a place
  std::int64_t panel() const { return steps * kStep; }    // digits
  std::int64_t place() const { return panels * panel(); }
  std::int64_t floats() const { return places * scales() + floats_for(places * place()); }
  Digit* digits(float* packed) const { return reinterpret_cast<Digit*>(packed + places * scales()); }
  const Digit* digits(const float* packed) const { return reinterpret_cast<const Digit*>(packed + places * scales()); }
  // Where inner index k, a multiple of 4, lies in its panel.
  static std::int64_t at(std::int64_t k) { return k / kInner * kStep + k % kInner * kSide; }
};

// The sums of 16 rows at `a`, and with kBoth of the 16 rows behind them, with 16 columns: c[half][weight][row][column]. Rows are
// at distance `row`, their lower digits at distance `plane`. `next`, as long as b, is called into the cache meanwhile.
template <bool kBoth>
inline void multiply_digits(std::int64_t steps, const Digit* a, std::int64_t row, std::int64_t plane, const Digit* b, const Digit* next,
                     std::int32_t* c) {
  __asm__ volatile("" ::: "memory");  // g++'s tile loads do not say that they read memory
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  if (kBoth) _tile_zero(3);
  if (kBoth) _tile_zero(4);
  if (kBoth) _tile_zero(5);
  const std::int64_t half = kSide * row;
// The numbers of tiles must be literals.
#define EDDY_ADD(left, upper, lower)                                                \
  _tile_loadd(6, a + left * plane, row);                                            \
  _tile_dpbssd(upper, 6, 7);                                                        \
  if (kBoth) _tile_loadd(6, a + left * plane + half, row);                          \
  if (kBoth) _tile_dpbssd(lower, 6, 7);                                             \
  for (int line = 0; line < 8; ++line) _mm_prefetch(next + 64 * line, _MM_HINT_T1); \
  next += 8 * 64;
  for (std::int64_t s = 0; s < steps; ++s, a += kInner, b += kStep) {
    _tile_loadd(7, b, 64);
    EDDY_ADD(0, 0, 3)
    EDDY_ADD(1, 1, 4)
    EDDY_ADD(2, 2, 5)
    _tile_loadd(7, b + kTile, 64);
    EDDY_ADD(0, 1, 4)
    EDDY_ADD(1, 2, 5)
    _tile_loadd(7, b + 2 * kTile, 64);
    EDDY_ADD(0, 2, 5)
#undef EDDY_ADD
  }
  _tile_stored(0, c, 64);
  _tile_stored(1, c + 256, 64);
  _tile_stored(2, c + 512, 64);
  if (kBoth) _tile_stored(3, c + 768, 64);
  if (kBoth) _tile_stored(4, c + 1024, 64);
  if (kBoth) _tile_stored(5, c + 1280, 64);
  __asm__ volatile("" ::: "memory");
}

// Row i of 32 of what multiply_digits left, its three sums joined, times the scales of the row and of the columns: the smaller
// one first, so that nothing overflows on the way. A scale that is not a number stays: both instructions give their second
// operand then.
EDDY_INLINE __m512 product_of(const std::int32_t* sums, std::int64_t i, float row, __m512 columns) {
  const std::int32_t* at = sums + i / kSide * kSums + i % kSide * kSide;
  const auto sum = [&](int weight) { return _mm512_cvtepi32_ps(_mm512_load_si512(at + weight * kSide * kSide)); };
  const __m512 all = _mm512_fmadd_ps(_mm512_fmadd_ps(sum(2), _mm512_set1_ps(0x1p-8f), sum(1)), _mm512_set1_ps(0x1p-8f), sum(0));
  const __m512 rows = _mm512_set1_ps(row);
  return _mm512_mul_ps(_mm512_mul_ps(all, _mm512_min_ps(rows, columns)), _mm512_max_ps(columns, rows));
}

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
