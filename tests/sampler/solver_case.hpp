// Data N(0, 1/4) on levels of a list, and noise of one step alone, for the samplers of exponential integrators.
#pragma once

#include <cmath>

#include "eddy/eddy.hpp"

namespace eddy::test {

inline constexpr double kVariance = 0.25;

inline double variance_at(const NoiseLevel& l) { return l.alpha * l.alpha * kVariance + l.sigma * l.sigma; }

inline Prediction exact(const Tensor& x, std::span<const NoiseLevel> l) {
  return {affine(x, l[0].alpha * kVariance / variance_at(l[0])), affine(x, l[0].sigma / variance_at(l[0])), {}};
}

// alpha^2 + sigma^2 = 1, ln(sigma / alpha) from 1.5 down to -1.5, not evenly.
inline std::vector<Step> uneven_steps(int n) {
  std::vector<NoiseLevel> levels;
  for (int i = 0; i <= n; ++i) {
    const double u = static_cast<double>(i) / n, ratio = std::exp(1.5 - 3 * (u + 0.15 * std::sin(3.14159265358979 * u)));
    levels.push_back({static_cast<double>(n - i), 1 / std::hypot(1.0, ratio), ratio / std::hypot(1.0, ratio)});
  }
  return steps(levels);
}

// Sample 0 sees no noise, sample k noise 1 in step k - 1 alone: a linear sampler's coefficients, one a sample.
class UnitNoise final : public NoiseSource::Source {
 public:
  Tensor normal(const Shape& shape, const NoiseKey& key, std::int64_t, const Context&) override {
    Tensor z = Tensor::full(shape, 0);
    if (key.step + 1 < z.values().size()) z.mutable_values()[key.step + 1] = 1;
    return z;
  }
};

inline NoiseSource unit_noise() { return NoiseSource(std::make_shared<UnitNoise>()); }

inline Tensor unit_start(std::size_t n) {
  Tensor x = Tensor::full({static_cast<std::int64_t>(n + 1), 1}, 0);
  x.mutable_values()[0] = 1;
  return x;
}

inline double item(const Tensor& x, std::size_t i = 0) { return static_cast<double>(x.values()[i]); }

}  // namespace eddy::test
