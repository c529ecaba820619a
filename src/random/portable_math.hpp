// Logarithm, sine and cosine in plain double arithmetic: the same bytes with every C library and CPU.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace eddy::inline v0_1 {

// ln x for normal x > 0: x = m 2^e, ln m = 2 atanh((m - 1) / (m + 1)) by its series. Error below 2 ulp.
inline double portable_log(double x) {
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

struct SinCos {
  double sin, cos;
};

// Of 2 pi u, u in [0, 1): the nearest quarter turn is taken off exactly, the rest goes through Taylor's series.
inline SinCos portable_sincos_turns(double u) {
  const double quarters = u * 4;
  const int q = static_cast<int>(quarters + 0.5);
  const double r = (quarters - q) * 1.5707963267948966, z = r * r;
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

}  // namespace eddy::inline v0_1
