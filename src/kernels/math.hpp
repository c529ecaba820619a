// Elementary functions on vectors: ours, so that bytes do not depend on the C library's choice by CPU.
//
// exp: x = n ln 2 + r, |r| <= ln 2 / 2, a polynomial in r, 2^n by the exponent's bits; it stays between e^-87.3 and e^88.3. The
// polynomial 1 + r + r^2 q(r), q of degree 4, has the least relative error there is: 3e-9 (Remez's exchange).
// tanh, erf: polynomials near 0, exp beyond; their minimax coefficients are those of the Cephes library (S. Moshier), single
// precision. A NaN stays one everywhere. What is written for a V takes one vector or several (Vecs).
#pragma once

#include "kernels/vec.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

#if defined(EDDY_DOUBLE)

// The tests' double takes them from the C library.
template <class F>
inline Vec lanes(Vec x, F f) {
  for (int i = 0; i < kWidth; ++i) x[i] = f(x[i]);
  return x;
}
inline Vec exp(Vec x) {
  return lanes(x, [](double v) { return __builtin_exp(v); });
}
inline Vec tanh(Vec x) {
  return lanes(x, [](double v) { return __builtin_tanh(v); });
}
inline Vec erf(Vec x) {
  return lanes(x, [](double v) { return __builtin_erf(v); });
}
template <int kSign = 1>
inline Vec exp_between(Vec x, Real, Real) {
  return exp(kSign * x);
}
inline Vec exp_to_the_ends(Vec x) { return exp(x); }
template <int kSign = 1, int kN>
inline Vecs<kN> exp_between(const Vecs<kN>& x, Real, Real) {
  return Vecs<kN>::each([&](int i) { return exp(kSign * x.v[i]); });
}

#else

// 2^n: x is 1.5 * 2^23 + 127 + n, so its last bits are 127 + n.
inline Vec power_of_two(Vec x) { return (Vec)((IntVec)x << 23); }
template <int kN>
EDDY_INLINE Vecs<kN> power_of_two(const Vecs<kN>& x) {
  return Vecs<kN>::each([&](int i) { return power_of_two(x.v[i]); });
}

// exp(kSign x), x first limited to what is between `least` and `most`.
template <int kSign = 1, class V>
EDDY_INLINE V exp_between(V x, Real least, Real most) {
  x = min(max(x, fill(least)), fill(most));
  const Vec shift = fill(12582912.0f + 127);  // so large that adding it rounds to the nearest integer
  const V shifted = fma(x, fill(kSign * 1.44269504f), shift), rounded = shifted - shift;
  V r = fma(rounded, fill(-0.693359375f), kSign > 0 ? x : -x);
  r = fma(rounded, fill(2.12194440e-4f), r);
  V p = fma(r, fill(1.38145986467e-3f), fill(8.36871687973e-3f));
  p = fma(p, r, fill(4.16683880453e-2f));
  p = fma(p, r, fill(1.66665206317e-1f));
  p = fma(p, r, fill(4.99999934478e-1f));
  p = fma(p, r, fill(1));
  p = fma(p, r, fill(1));
  return p * power_of_two(shifted);
}
inline Vec exp(Vec x) { return exp_between(x, -87.3f, 88.3f); }

// Also where the result is infinite, subnormal or 0.
inline Vec exp_to_the_ends(Vec x) {
  const Vec half = exp(fill(0.5f) * x), beyond = half * half;
  return x > fill(87) || x < fill(-87) ? beyond : exp(x);
}

inline Vec magnitude(Vec x) { return x < zero() ? -x : x; }
inline Vec with_sign_of(Vec value, Vec sign) { return sign < zero() ? -value : value; }

inline Vec tanh(Vec x) {
  const Vec a = magnitude(x), z = x * x;
  Vec p = fill(-5.70498872745e-3f);
  p = fma(p, z, fill(2.06390887954e-2f));
  p = fma(p, z, fill(-5.37397155531e-2f));
  p = fma(p, z, fill(1.33314422036e-1f));
  p = fma(p, z, fill(-3.33332819422e-1f));
  const Vec near = fma(p * z, x, x);
  const Vec far = with_sign_of(fill(1) - fill(2) / (exp(a + a) + fill(1)), x);
  return a < fill(0.625f) ? near : far;
}

inline Vec erf(Vec x) {
  const Vec a = magnitude(x), z = x * x;
  Vec t = fill(7.853861353153693e-5f);
  t = fma(t, z, fill(-8.010193625184903e-4f));
  t = fma(t, z, fill(5.188327685732524e-3f));
  t = fma(t, z, fill(-2.685381193529856e-2f));
  t = fma(t, z, fill(1.128358514861418e-1f));
  t = fma(t, z, fill(-3.761262582423300e-1f));
  t = fma(t, z, fill(1.128379165726710f));
  const Vec near = x * t;
  const Vec u = fill(1) / max(a, fill(1)), v = u * u;
  Vec p = fill(2.326819970068386e-2f);
  p = fma(p, v, fill(-1.387039388740657e-1f));
  p = fma(p, v, fill(3.687424674597105e-1f));
  p = fma(p, v, fill(-5.824733027278666e-1f));
  p = fma(p, v, fill(6.210004621745983e-1f));
  p = fma(p, v, fill(-4.944515323274145e-1f));
  p = fma(p, v, fill(3.404879937665872e-1f));
  p = fma(p, v, fill(-2.741127028184656e-1f));
  p = fma(p, v, fill(5.638259427386472e-1f));
  Vec r = fill(-1.047766399936249e1f);
  r = fma(r, v, fill(1.297719955372516e1f));
  r = fma(r, v, fill(-7.495518717768503f));
  r = fma(r, v, fill(2.921019019210786f));
  r = fma(r, v, fill(-1.015265279202700f));
  r = fma(r, v, fill(4.218463358204948e-1f));
  r = fma(r, v, fill(-2.820767439740514e-1f));
  r = fma(r, v, fill(5.641895067754075e-1f));
  const Vec complement = exp(-z) * u * (a < fill(2) ? p : r);
  const Vec far = with_sign_of(fill(1) - complement, x);
  return a < fill(1) ? near : far;
}

#endif

// 1 + exp(-x), at most 1 + e^87: sigmoid is never 0. One is divided by it, as the unit that divides works while others make the
// next exponentials.
template <class V>
EDDY_INLINE V one_and_exp(V x) {
  return fill(1) + exp_between<-1>(x, -87, 87);
}
template <class V>
EDDY_INLINE V sigmoid(V x) {
  return V(fill(1)) / one_and_exp(x);
}

// silu and its derivative s (1 + x (1 - s)).
template <class V>
EDDY_INLINE V silu(V x) {
  return x / one_and_exp(x);
}
template <class V>
EDDY_INLINE V silu_derivative(V x) {
  const V s = sigmoid(x);
  return s * fma(x, fill(1) - s, fill(1));
}

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
