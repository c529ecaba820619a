// Numbers that carry, beside their value, a derivative in one direction and how large the terms were that made both:
// float32 arithmetic on the same formula errs by a small multiple of 2^-24 size. Double throughout, exact at branches.
#pragma once

#include <cmath>

namespace eddy::test {

struct Dual {
  double value = 0, slope = 0;            // x, dx
  double size = 0, slope_size = 0;        // sums of the absolute values of their terms

  Dual() = default;
  Dual(double v) : value(v), size(std::abs(v)) {}  // NOLINT: numbers are duals
  Dual(double v, double s, double vs, double ss) : value(v), slope(s), size(vs), slope_size(ss) {}
};

inline Dual operator+(const Dual& a, const Dual& b) {
  return {a.value + b.value, a.slope + b.slope, a.size + b.size, a.slope_size + b.slope_size};
}
inline Dual operator-(const Dual& a) { return {-a.value, -a.slope, a.size, a.slope_size}; }
inline Dual operator-(const Dual& a, const Dual& b) { return a + -b; }
inline Dual operator*(const Dual& a, const Dual& b) {
  return {a.value * b.value, a.slope * b.value + a.value * b.slope,
          a.size * std::abs(b.value) + std::abs(a.value) * b.size,
          a.slope_size * std::abs(b.value) + std::abs(a.slope) * b.size + a.size * std::abs(b.slope) +
              std::abs(a.value) * b.slope_size};
}
inline Dual& operator+=(Dual& a, const Dual& b) { return a = a + b; }

// f(a) from f, f' and f'' there; terms: the size of those that make f', if they cancel.
inline Dual chain(const Dual& a, double f, double d, double dd, double terms = 0) {
  return {f, d * a.slope, std::abs(d) * a.size + std::abs(f),
          std::abs(dd) * a.size * std::abs(a.slope) + std::abs(d) * a.slope_size + std::abs(d * a.slope) +
              terms * std::abs(a.slope)};
}
inline Dual exp(const Dual& a) {
  const double e = std::exp(a.value);
  return chain(a, e, e, e);
}
inline Dual log(const Dual& a) { return chain(a, std::log(a.value), 1 / a.value, -1 / (a.value * a.value)); }
inline Dual sqrt(const Dual& a) {
  const double r = std::sqrt(a.value);
  return chain(a, r, 0.5 / r, -0.25 / (r * a.value));
}
inline Dual tanh(const Dual& a) {
  const double t = std::tanh(a.value), d = 1 - t * t;
  return chain(a, t, d, -2 * t * d, 1 + t * t);
}
inline Dual sigmoid(const Dual& a) {
  const double s = 1 / (1 + std::exp(-a.value)), d = s * (1 - s);
  return chain(a, s, d, d * (1 - 2 * s), s + s * s);
}
inline Dual erf(const Dual& a) {
  const double d = 2 / std::sqrt(3.14159265358979323846) * std::exp(-a.value * a.value);
  return chain(a, std::erf(a.value), d, -2 * a.value * d);
}
inline Dual sin(const Dual& a) { return chain(a, std::sin(a.value), std::cos(a.value), -std::sin(a.value)); }
inline Dual cos(const Dual& a) { return chain(a, std::cos(a.value), -std::sin(a.value), -std::cos(a.value)); }
inline Dual reciprocal(const Dual& a) {
  const double r = 1 / a.value;
  return chain(a, r, -r * r, 2 * r * r * r);
}
inline Dual operator/(const Dual& a, const Dual& b) { return a * reciprocal(b); }

}  // namespace eddy::test
