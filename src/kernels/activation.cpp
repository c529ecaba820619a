// Activations and their derivatives, element by element.
//
//   gelu       x (1 + erf(x / sqrt 2)) / 2                       gelu_tanh  x (1 + tanh(k (x + 0.044715 x^3))) / 2
//   quick_gelu x sigmoid(1.702 x)                                mish       x tanh(ln(1 + e^x))
#include "kernels/activation.hpp"

#include "kernels/math.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

constexpr Real kRootHalf = 0.70710678118654752, kRootTwoOverPi = 0.79788456080286536, kInverseRootTwoPi = 0.39894228040143268;
constexpr Real kCubic = 0.044715, kQuick = 1.702;

// tanh(ln(1 + e)) = (e^2 + 2 e) / (e^2 + 2 e + 2); for large x it is 1.
inline Vec mish_gate(Vec x) {
  const Vec e = exp(min(x, fill(20))), w = e * (e + fill(2));
  return w / (w + fill(2));
}

template <ActivationKind K>
inline Vec value(Vec x) {
  const Vec half = fill(0.5f), one = fill(1);
  if constexpr (K == ActivationKind::silu) return silu(x);
  if constexpr (K == ActivationKind::relu) return max(x, zero());
  if constexpr (K == ActivationKind::gelu) return half * x * (one + erf(x * fill(kRootHalf)));
  if constexpr (K == ActivationKind::gelu_tanh) {
    return half * x * (one + tanh(fill(kRootTwoOverPi) * fma(fill(kCubic) * x, x * x, x)));
  }
  if constexpr (K == ActivationKind::quick_gelu) return x * sigmoid(fill(kQuick) * x);
  if constexpr (K == ActivationKind::tanh) return tanh(x);
  if constexpr (K == ActivationKind::sigmoid) return sigmoid(x);
  if constexpr (K == ActivationKind::mish) return x * mish_gate(x);
  if constexpr (K == ActivationKind::exp) return exp_to_the_ends(x);
  return x;
}

template <ActivationKind K>
inline Vec slope(Vec x) {
  const Vec half = fill(0.5f), one = fill(1);
  if constexpr (K == ActivationKind::silu) return silu_derivative(x);
  if constexpr (K == ActivationKind::relu) return x > zero() ? one : zero();
  if constexpr (K == ActivationKind::gelu) {
    const Vec density = fill(kInverseRootTwoPi) * exp(-half * x * x);
    return fma(x, density, half * (one + erf(x * fill(kRootHalf))));
  }
  if constexpr (K == ActivationKind::gelu_tanh) {
    const Vec t = tanh(fill(kRootTwoOverPi) * fma(fill(kCubic) * x, x * x, x));
    const Vec inner = fill(kRootTwoOverPi) * fma(fill(3 * kCubic), x * x, one);
    return fma(half * x * (one - t * t), inner, half * (one + t));
  }
  if constexpr (K == ActivationKind::quick_gelu) {
    const Vec s = sigmoid(fill(kQuick) * x);
    return s * fma(fill(kQuick) * x, one - s, one);
  }
  if constexpr (K == ActivationKind::tanh) {
    const Vec t = tanh(x);
    return one - t * t;
  }
  if constexpr (K == ActivationKind::sigmoid) {
    const Vec s = sigmoid(x);
    return s * (one - s);
  }
  if constexpr (K == ActivationKind::mish) {
    const Vec t = mish_gate(x);
    return fma(x * sigmoid(x), one - t * t, t);
  }
  if constexpr (K == ActivationKind::exp) return exp_to_the_ends(x);
  return one;
}

constexpr std::int64_t kTile = 1 << 13;

template <ActivationKind K>
void forward_of(const Launch& launch, std::int64_t n, const Real* x, Real* y) {
  parallel(launch, ceil_div(n, kTile), [&](std::int64_t tile, int) {
    const std::int64_t end = lower(n, (tile + 1) * kTile);
    for (std::int64_t i = tile * kTile; i < end; i += kWidth) {
      store_up_to(y + i, value<K>(load_up_to(x + i, end - i)), end - i);
    }
  });
}

template <ActivationKind K>
void backward_of(const Launch& launch, std::int64_t n, const Real* x, const Real* dy, Real* dx) {
  parallel(launch, ceil_div(n, kTile), [&](std::int64_t tile, int) {
    const std::int64_t end = lower(n, (tile + 1) * kTile);
    for (std::int64_t i = tile * kTile; i < end; i += kWidth) {
      store_up_to(dx + i, load_up_to(dy + i, end - i) * slope<K>(load_up_to(x + i, end - i)), end - i);
    }
  });
}

// Calls f.template operator()<kind>().
template <class F>
inline void with_kind(ActivationKind kind, F&& f) {
  switch (kind) {
    case ActivationKind::none:
      return f.template operator()<ActivationKind::none>();
    case ActivationKind::silu:
      return f.template operator()<ActivationKind::silu>();
    case ActivationKind::relu:
      return f.template operator()<ActivationKind::relu>();
    case ActivationKind::gelu:
      return f.template operator()<ActivationKind::gelu>();
    case ActivationKind::gelu_tanh:
      return f.template operator()<ActivationKind::gelu_tanh>();
    case ActivationKind::quick_gelu:
      return f.template operator()<ActivationKind::quick_gelu>();
    case ActivationKind::tanh:
      return f.template operator()<ActivationKind::tanh>();
    case ActivationKind::sigmoid:
      return f.template operator()<ActivationKind::sigmoid>();
    case ActivationKind::mish:
      return f.template operator()<ActivationKind::mish>();
    case ActivationKind::exp:
      return f.template operator()<ActivationKind::exp>();
  }
}

void forward(const Launch& launch, ActivationKind kind, std::int64_t n, const Real* x, Real* y) {
  with_kind(kind, [&]<ActivationKind K>() { forward_of<K>(launch, n, x, y); });
}
void backward(const Launch& launch, ActivationKind kind, std::int64_t n, const Real* x, const Real* dy, Real* dx) {
  with_kind(kind, [&]<ActivationKind K>() { backward_of<K>(launch, n, x, dy, dx); });
}

}  // namespace

extern const ActivationKernels<Real> activation_kernels;
const ActivationKernels<Real> activation_kernels{forward, backward};

}  // namespace eddy::inline v0_1::EDDY_ISA
