// Elementwise operations and sums, once more, by their definitions.
#pragma once

#include "eddy/ops.hpp"
#include "reference/array.hpp"

namespace eddy::test {

template <class F>
Array map(const Array& x, const F& f) {
  Array y(x.shape);
  for (std::int64_t i = 0; i < x.elements(); ++i) y[i] = f(x[i]);
  return y;
}

inline Dual activate(const Dual& x, Activation kind) {
  switch (kind) {
    case Activation::none: break;
    case Activation::silu: return x * sigmoid(x);
    case Activation::relu: return x.value > 0 ? x : Dual(0);
    case Activation::gelu: return Dual(0.5) * x * (Dual(1) + erf(x / Dual(std::sqrt(2.0))));
    case Activation::gelu_tanh:
      return Dual(0.5) * x * (Dual(1) + tanh(Dual(std::sqrt(2 / 3.14159265358979323846)) * (x + Dual(0.044715) * x * x * x)));
    case Activation::quick_gelu: return x * sigmoid(Dual(1.702) * x);
    case Activation::tanh: return tanh(x);
    case Activation::sigmoid: return sigmoid(x);
    case Activation::mish: return x * tanh(log(Dual(1) + exp(x)));
  }
  return x;
}

// b's element for element i of a: b is like a, one sample, one value a sample, or one value.
inline const Dual& broadcast(const Array& a, const Array& b, std::int64_t i) {
  if (b.elements() == a.elements()) return b[i];
  if (b.elements() == 1) return b[0];
  const std::int64_t sample = a.elements() / a.extent(0);
  const bool one_a_sample = b.elements() == a.extent(0) && b.shape[0] == a.extent(0);
  return one_a_sample ? b[i / sample] : b[i % sample];
}

template <class F>
Array zip(const Array& a, const Array& b, const F& f) {
  Array y(a.shape);
  for (std::int64_t i = 0; i < a.elements(); ++i) y[i] = f(a[i], broadcast(a, b, i));
  return y;
}

// Sums over each of `rows` equal parts, times a factor.
inline Array sums(const Array& x, std::vector<std::int64_t> shape, double factor) {
  Array y(std::move(shape));
  const std::int64_t part = x.elements() / y.elements();
  for (std::int64_t i = 0; i < x.elements(); ++i) y[i / part] += x[i] * Dual(factor);
  return y;
}

}  // namespace eddy::test
