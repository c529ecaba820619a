// Rounding floats to bfloat16, to nearest even, into the two layouts that products read: rows, and panels of pairs.
#pragma once

#include "kernels/bf16_block.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

// The first n of 32 lanes.
inline __mmask32 lanes32(std::int64_t n) { return n >= 32 ? ~0u : n <= 0 ? 0u : (1u << n) - 1; }

inline __m512 load_lanes(const float* from, std::int64_t n) { return _mm512_maskz_loadu_ps(lanes16(n), from); }

inline __m512i rounded(__m512 first, __m512 second) { return (__m512i)_mm512_cvtne2ps_pbh(second, first); }

// Pairs (first[i], second[i]).
inline __m512i paired(__m512 first, __m512 second) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20,
                                         4, 19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(order, rounded(first, second));
}

// n floats rounded, then zeros up to `padded` elements. A null source is all zeros.
inline void round_row(const float* from, std::int64_t n, Bf* to, std::int64_t padded) {
  if (from == nullptr) n = 0;
  std::int64_t i = 0;
  for (; i + kSide <= n; i += kSide) {
    _mm512_storeu_si512(to + i, rounded(_mm512_loadu_ps(from + i), _mm512_loadu_ps(from + i + kHalf)));
  }
  for (; i < padded; i += kSide) {
    const __m512 first = n > i ? load_lanes(from + i, n - i) : _mm512_setzero_ps();
    const __m512 second = n > i + kHalf ? load_lanes(from + i + kHalf, n - i - kHalf) : _mm512_setzero_ps();
    _mm512_mask_storeu_epi16(to + i, lanes32(padded - i), rounded(first, second));
  }
}

// Rows become columns.
inline void transpose(__m512i (&r)[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0x88);
    t[4 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0x88);
    t[8 + i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0xdd);
    t[12 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[4 + i], 0x88);
    r[4 + i] = _mm512_shuffle_i32x4(t[8 + i], t[12 + i], 0x88);
    r[8 + i] = _mm512_shuffle_i32x4(t[i], t[4 + i], 0xdd);
    r[12 + i] = _mm512_shuffle_i32x4(t[8 + i], t[12 + i], 0xdd);
  }
}

// A weight as a right factor: element (k, n) of a tap is data[k k_step + n n_step + tap], the taps in order or turned about.
struct Weight {
  const float* data;
  std::int64_t k, n, k_step, n_step;
  std::int64_t taps = 1;
  bool turned = false;
};

// Elements of the panels. A panel is all taps of 32 columns, each round_up(k, 32) inner indices.
inline std::int64_t panel_elements(std::int64_t k, std::int64_t taps) { return taps * round_up(k, kSide) * kSide; }
inline std::int64_t packed_elements(std::int64_t k, std::int64_t n, std::int64_t taps) {
  return ceil_div(n, kSide) * panel_elements(k, taps);
}
// Floats that hold so many elements.
inline std::int64_t floats_for(std::int64_t elements) { return ceil_div(elements, 2); }

inline void pack(const Launch& launch, const Weight& w, Bf* packed) {
  const std::int64_t steps = ceil_div(w.k, kSide);
  const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i at = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(static_cast<int>(w.n_step)));
  parallel(launch, ceil_div(w.n, kSide) * steps, [&](std::int64_t tile, int) {
    const std::int64_t panel = tile / steps, step = tile % steps;
    for (std::int64_t half = 0; half < 2; ++half) {
      const std::int64_t n = panel * kSide + half * kHalf;
      const __mmask16 there = lanes16(w.n - n);
      for (std::int64_t pair = 0; pair < kHalf; ++pair) {
        const std::int64_t k = step * kSide + 2 * pair;
        const float* from = w.data + n * w.n_step + k * w.k_step;
        for (std::int64_t tap = 0; tap < w.taps; ++tap) {
          const auto read = [&](std::int64_t row) {
            const float* p = from + row * w.k_step + (w.turned ? w.taps - 1 - tap : tap);
            if (k + row >= w.k || there == 0) return _mm512_setzero_ps();
            if (w.n_step == 1) return _mm512_maskz_loadu_ps(there, p);
            return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), there, at, p, 4);
          };
          Bf* to = packed + ((panel * w.taps + tap) * steps + step) * kStep + half * kStep / 2 + pair * kSide;
          _mm512_storeu_si512(to, paired(read(0), read(1)));
        }
      }
    }
  });
}

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
