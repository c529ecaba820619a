// Exponential, logarithm, sine, cosine and the error function in plain double arithmetic: the same bytes with every C library
// and CPU (glibc picks variants by CPU). Errors are some units in the last place.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace eddy::inline v0_1 {

// ln x: x = m 2^e, ln m = 2 atanh((m - 1) / (m + 1)) by its series. Error below 2 ulp.
inline double portable_log(double x) {
  if (!(x > 0 && x < std::numeric_limits<double>::infinity())) return std::log(x);  // no number is computed there
  if (x < std::numeric_limits<double>::min()) return portable_log(x * 0x1p54) - 54 * 0.69314718055994531;
  std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  int exponent = static_cast<int>(bits >> 52) - 1022;
  double m = std::bit_cast<double>((bits & 0x000fffffffffffffull) | 0x3fe0000000000000ull);  // in [0.5, 1)
  if (m < 0.70710678118654752) {
    m *= 2;
    --exponent;
  }
  const double s = (m - 1) / (m + 1), z = s * s;
  double p = 1.0 / 23;
  for (int k = 21; k >= 1; k -= 2) p = p * z + 1.0 / k;
  return exponent * 0.69314718055994531 + 2 * s * p;
}

// e^x = 2^k e^r, |r| <= ln 2 / 2, by Taylor's series; ln 2 is taken off in two parts.
inline double portable_exp(double x) {
  if (!(x > -745.2)) return x < 0 ? 0 : x;  // NaN stays
  if (x > 709.79) return std::numeric_limits<double>::infinity();
  const int k = static_cast<int>(std::floor(x * 1.4426950408889634 + 0.5));
  const double r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
  double p = 1;
  for (int n = 14; n >= 1; --n) p = 1 + p * r / n;
  const auto power = [](int e) { return std::bit_cast<double>(static_cast<std::uint64_t>(e + 1023) << 52); };
  return p * power(k / 2) * power(k - k / 2);  // in two steps: k reaches from -1075 to 1024
}

// b^n for n >= 0 by squaring.
inline double portable_power(double b, std::int64_t n) {
  double result = 1;
  for (; n > 0; n >>= 1, b *= b) {
    if (n & 1) result *= b;
  }
  return result;
}

struct SinCos {
  double sin, cos;
};

// Of r, |r| <= pi / 4, and q quarter turns, by Taylor's series.
inline SinCos portable_sincos_quarters(double r, std::int64_t q) {
  const double z = r * r;
  double s = 1, c = 1;
  for (int k = 8; k >= 1; --k) {
    s = 1 - s * z / ((2 * k) * (2 * k + 1));
    c = 1 - c * z / ((2 * k - 1) * (2 * k));
  }
  s *= r;
  switch (q & 3) {
    case 0:
      return {s, c};
    case 1:
      return {c, -s};
    case 2:
      return {-s, -c};
    default:
      return {-c, s};
  }
}

// Of 2 pi u, u in [0, 1): the nearest quarter turn is taken off exactly.
inline SinCos portable_sincos_turns(double u) {
  const double quarters = u * 4;
  const int q = static_cast<int>(quarters + 0.5);
  return portable_sincos_quarters((quarters - q) * 1.5707963267948966, q);
}

// Of an angle: pi / 2 is taken off in three parts of 33 bits. Beyond a million radians whole turns go first, by a rounded
// 2 pi: float32 angles of that size are no nearer.
inline SinCos portable_sincos(double angle) {
  if (!(std::abs(angle) <= 1e6)) angle = std::fmod(angle, 6.2831853071795865);
  if (std::isnan(angle)) return {angle, angle};
  const double q = std::floor(angle * 0.63661977236758134 + 0.5);
  const double r = ((angle - q * 1.57079632673412561417e+00) - q * 6.07710050630396597660e-11) - q * 2.02226624871116645580e-21;
  return portable_sincos_quarters(r, static_cast<std::int64_t>(q));
}

// erfc x = 1 - 2 / sqrt(pi) e^-z sum_n x (2 z)^n / (1 3 5 .. (2 n + 1)), z = x^2, for small x; above 2 by its continued
// fraction e^-z / (x sqrt(pi)) / (1 + 1 / (2 z) / (1 + 2 / (2 z) / (1 + ...))).
inline double portable_erfc(double x) {
  const double z = x * x;
  if (x < -2) return 2 - portable_erfc(-x);
  if (x > 2) {
    double fraction = 1;
    for (int k = 60; k >= 1; --k) fraction = 1 + k / (2 * z) / fraction;
    return portable_exp(-z) / (x * 1.7724538509055161 * fraction);
  }
  double term = x, total = x;
  for (int n = 1; n < 60; ++n) {
    term *= 2 * z / (2 * n + 1);
    total += term;
  }
  return 1 - 1.1283791670955126 * portable_exp(-z) * total;
}

}  // namespace eddy::inline v0_1
