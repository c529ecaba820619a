// Vectors of floats in the width of the instruction set, over the compilers' vector extension.
//
// Formulas are written in Real, which is float in the library; the tests compile them once more with EDDY_DOUBLE.
// Everything here has internal linkage: a kernel's object lets out one symbol, its table.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "kernels/launch.hpp"

#ifndef EDDY_ISA
#error "kernels are compiled with -DEDDY_ISA=<name of the instruction set>"
#endif

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kWidth = 16;
constexpr int kRows = 12;  // of a register tile of a product: 24 accumulators of 32 registers
#elif defined(__AVX2__)
constexpr int kWidth = 8;
constexpr int kRows = 6;  // 12 accumulators of 16 registers
#elif defined(__aarch64__)
constexpr int kWidth = 4;
constexpr int kRows = 8;
#else
constexpr int kWidth = 4;
constexpr int kRows = 6;
#endif

#define EDDY_INLINED __attribute__((always_inline))  // behind the parameters of a lambda
#define EDDY_INLINE inline EDDY_INLINED

#if defined(EDDY_DOUBLE)
using Real = double;
#else
using Real = float;
#endif

typedef Real Vec __attribute__((vector_size(kWidth * sizeof(Real))));
typedef std::int32_t IntVec __attribute__((vector_size(kWidth * 4)));

inline Vec load(const Real* p) {
  Vec v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline void store(Real* p, Vec v) { __builtin_memcpy(p, &v, sizeof v); }
inline Vec fill(Real x) { return x - Vec{}; }
inline Vec zero() { return Vec{}; }

#if defined(__AVX512F__)
// The first n of 16 lanes.
inline __mmask16 lanes16(std::int64_t n) {
  return n >= 16 ? 0xffff : n <= 0 ? 0 : static_cast<__mmask16>((1u << n) - 1);
}
#endif

// The first n floats, 0 <= n <= kWidth, zeros behind.
#if defined(__AVX512F__) && !defined(EDDY_DOUBLE)
inline __mmask16 first_lanes(int n) { return static_cast<__mmask16>((1u << n) - 1); }
inline Vec load_part(const float* p, int n) { return (Vec)_mm512_maskz_loadu_ps(first_lanes(n), p); }
inline void store_part(float* p, Vec v, int n) { _mm512_mask_storeu_ps(p, first_lanes(n), (__m512)v); }
#elif defined(__AVX2__) && !defined(EDDY_DOUBLE)
inline __m256i first_lanes(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline Vec load_part(const float* p, int n) { return (Vec)_mm256_maskload_ps(p, first_lanes(n)); }
inline void store_part(float* p, Vec v, int n) { _mm256_maskstore_ps(p, first_lanes(n), (__m256)v); }
#else
inline Vec load_part(const Real* p, int n) {
  Vec v{};
  for (int i = 0; i < n; ++i) v[i] = p[i];
  return v;
}
inline void store_part(Real* p, Vec v, int n) {
  for (int i = 0; i < n; ++i) p[i] = v[i];
}
#endif
inline Vec load_up_to(const Real* p, std::int64_t n) {
  return n >= kWidth ? load(p) : load_part(p, static_cast<int>(n));
}
inline void store_up_to(Real* p, Vec v, std::int64_t n) {
  n >= kWidth ? store(p, v) : store_part(p, v, static_cast<int>(n));
}

// The same where a template knows that all are there.
template <bool kWhole>
EDDY_INLINE Vec load_first(const Real* p, std::int64_t n) {
  return kWhole ? load(p) : load_up_to(p, n);
}
template <bool kWhole>
EDDY_INLINE void store_first(Real* p, Vec v, std::int64_t n) {
  kWhole ? store(p, v) : store_up_to(p, v, n);
}

// The first n lanes of v, the others of `rest`.
template <int... kLane>
inline Vec first_of(Vec v, std::int64_t n, Vec rest, std::integer_sequence<int, kLane...>) {
  const Vec lane{static_cast<Real>(kLane)...};
  return lane < fill(static_cast<Real>(n)) ? v : rest;
}
inline Vec first_of(Vec v, std::int64_t n, Vec rest) {
  return first_of(v, n, rest, std::make_integer_sequence<int, kWidth>{});
}

// a b + c in one rounding where the set has it (not at the baseline).
inline Vec fma(Vec a, Vec b, Vec c) {
#if defined(EDDY_DOUBLE)
  return a * b + c;
#elif defined(__AVX512F__)
  return (Vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
  return (Vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
  return (Vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}
// The larger or smaller of x and a bound; a NaN of x stays.
#if defined(__AVX512F__) && !defined(EDDY_DOUBLE)  // whose instructions choose likewise, and compilers do not find them
inline Vec max(Vec x, Vec bound) { return (Vec)_mm512_maskz_max_ps(0xffff, (__m512)bound, (__m512)x); }
inline Vec min(Vec x, Vec bound) { return (Vec)_mm512_maskz_min_ps(0xffff, (__m512)bound, (__m512)x); }
#elif defined(__AVX2__) && !defined(EDDY_DOUBLE)
inline Vec max(Vec x, Vec bound) { return (Vec)_mm256_max_ps((__m256)bound, (__m256)x); }
inline Vec min(Vec x, Vec bound) { return (Vec)_mm256_min_ps((__m256)bound, (__m256)x); }
#else
inline Vec max(Vec x, Vec bound) { return bound > x ? bound : x; }
inline Vec min(Vec x, Vec bound) { return bound < x ? bound : x; }
#endif

inline Real fma(Real a, Real b, Real c) {
#if (defined(__FMA__) || defined(__aarch64__)) && !defined(EDDY_DOUBLE)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

// kN vectors side by side: where one chain of operations leaves units of the CPU waiting, several keep them busy. A vector stands
// for kN of it.
template <int kN>
struct Vecs {
  Vec v[kN];

  Vecs() = default;
  EDDY_INLINE Vecs(Vec all) {
    for (Vec& one : v) one = all;
  }
  template <class F>
  EDDY_INLINE static Vecs each(F&& f) {
    Vecs r;
#pragma GCC unroll 8
    for (int i = 0; i < kN; ++i) r.v[i] = f(i);
    return r;
  }
  friend EDDY_INLINE Vecs operator-(const Vecs& a) {
    return each([&](int i) { return -a.v[i]; });
  }
  friend EDDY_INLINE Vecs operator+(const Vecs& a, const Vecs& b) {
    return each([&](int i) { return a.v[i] + b.v[i]; });
  }
  friend EDDY_INLINE Vecs operator-(const Vecs& a, const Vecs& b) {
    return each([&](int i) { return a.v[i] - b.v[i]; });
  }
  friend EDDY_INLINE Vecs operator*(const Vecs& a, const Vecs& b) {
    return each([&](int i) { return a.v[i] * b.v[i]; });
  }
  friend EDDY_INLINE Vecs operator/(const Vecs& a, const Vecs& b) {
    return each([&](int i) { return a.v[i] / b.v[i]; });
  }
  friend EDDY_INLINE Vecs fma(const Vecs& a, const Vecs& b, const Vecs& c) {
    return each([&](int i) { return fma(a.v[i], b.v[i], c.v[i]); });
  }
  friend EDDY_INLINE Vecs max(const Vecs& x, const Vecs& bound) {
    return each([&](int i) { return max(x.v[i], bound.v[i]); });
  }
  friend EDDY_INLINE Vecs min(const Vecs& x, const Vecs& bound) {
    return each([&](int i) { return min(x.v[i], bound.v[i]); });
  }
};

template <int kDistance, int... kLane>
EDDY_INLINE Vec exchanged(Vec v, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(v, v, (kLane ^ kDistance)...);
}
// All lanes joined by f, halves with halves.
template <int kDistance = kWidth / 2, class F>
EDDY_INLINE Real joined_lanes(Vec v, F&& f) {
  v = f(v, exchanged<kDistance>(v, std::make_integer_sequence<int, kWidth>{}));
  if constexpr (kDistance == 1) {
    return v[0];
  } else {
    return joined_lanes<kDistance / 2>(v, f);
  }
}
inline Real sum(Vec v) {
  return joined_lanes(v, [](Vec a, Vec b) { return a + b; });
}
inline Real largest(Vec v) {
  return joined_lanes(v, [](Vec a, Vec b) { return max(a, b); });
}

constexpr std::int64_t kLine = 16;  // floats of a cache line

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) { return ceil_div(a, b) * b; }
constexpr std::int64_t lower(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

// f(tile, slot) for every tile in [0, n).
template <class F>
inline void parallel(const Launch& launch, std::int64_t n, F&& f) {
  using Function = std::remove_reference_t<F>;
  launch.run_tiles(
      launch.threads, n,
      [](void* argument, std::int64_t tile, int slot) { (*static_cast<Function*>(argument))(tile, slot); },
      const_cast<void*>(static_cast<const void*>(&f)));
}

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
