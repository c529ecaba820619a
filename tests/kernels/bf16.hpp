// What the tests of bfloat16 products share: contexts, keyed values, and sums of products of rounded factors in double.
#pragma once

#include <cmath>
#include <vector>

#include "base/half.hpp"
#include "eddy/eddy.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

namespace eddy::test {

// The units of this build that this CPU has; none on most.
inline std::vector<Products> product_units_here() {
  std::vector<Products> result;
  for (const Products p : {Products::bf16_avx512, Products::bf16_amx}) {
    if (available(p)) result.push_back(p);
  }
  if (result.empty()) WARN("not tested here: no unit for products of bfloat16 is available");
  return result;
}

inline Context with_products(Products products, int threads = 2) {
  const Isa isa = products == Products::f32 ? Isa::best : Isa::avx512;
  return Context(ContextOptions{.isa = isa, .products = products, .threads = threads});
}

inline Tensor normals(const Shape& shape, std::uint64_t seed, const Context& context) {
  return philox_noise(seed).normal(shape, kInitialNoise, context);
}

inline std::vector<float> list(const Tensor& x) { return {x.values().begin(), x.values().end()}; }

// The values of a tensor as a factor: rounded to bfloat16, to nearest even.
inline std::vector<double> factor(const Tensor& x) {
  std::vector<double> result;
  for (const float v : x.values()) result.push_back(static_cast<double>(float_from_bfloat(bfloat_from_float(v))));
  return result;
}

// Sums with the sizes of their terms.
struct Sums {
  std::vector<double> value, size;

  explicit Sums(std::int64_t n) : value(static_cast<std::size_t>(n)), size(static_cast<std::size_t>(n)) {}
  void add(std::int64_t i, double term) {
    value[static_cast<std::size_t>(i)] += term;
    size[static_cast<std::size_t>(i)] += std::abs(term);
  }
};

// The largest error in units of 2^-24 of the sizes of the terms.
inline double worst(const Tensor& got, const Sums& expected) {
  if (static_cast<std::size_t>(got.elements()) != expected.value.size()) return 1e30;
  double result = 0;
  for (std::size_t i = 0; i < expected.value.size(); ++i) {
    const double error = std::abs(static_cast<double>(got.values()[i]) - expected.value[i]);
    const double ratio = error == 0 ? 0 : error / std::ldexp(expected.size[i], -24);
    if (!(ratio <= result)) result = std::isnan(ratio) ? 1e30 : ratio;
  }
  return result;
}

// One element is a chain of float32 sums; rounding to bfloat16 itself would be 2^15 of these units off.
constexpr double kMostError = 5;  // the largest measured is 2.5

}  // namespace eddy::test
