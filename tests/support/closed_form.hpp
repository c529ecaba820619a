// Data whose denoiser is known in closed form, and lists of levels to sample them on.
#pragma once

#include <cmath>
#include <vector>

#include "eddy/denoiser.hpp"
#include "eddy/ops.hpp"
#include "eddy/sampler.hpp"

namespace eddy::test {

// Data N(0, variance): x0 = alpha v / (alpha^2 v + sigma^2) x, eps = sigma / (alpha^2 v + sigma^2) x.
struct Gaussian {
  double variance = 0.25;

  double at(const NoiseLevel& l) const { return l.alpha * l.alpha * variance + l.sigma * l.sigma; }
  Prediction operator()(const Tensor& x, std::span<const NoiseLevel> levels) const {
    const NoiseLevel& l = levels[0];
    return {affine(x, l.alpha * variance / at(l)), affine(x, l.sigma / at(l)), {}};
  }
  // The probability-flow ODE carries x from one level to another by this factor.
  double carried(const NoiseLevel& from, const NoiseLevel& to) const { return std::sqrt(at(to) / at(from)); }
};

// The three families of levels, by sigma / alpha.
inline NoiseLevel exploding_level(double ratio) { return {ratio, 1, ratio}; }
inline NoiseLevel preserving_level(double ratio) {
  const double norm = std::hypot(1.0, ratio);
  return {ratio, 1 / norm, ratio / norm};
}
inline NoiseLevel flow_level(double ratio) { return {ratio / (1 + ratio), 1 / (1 + ratio), ratio / (1 + ratio)}; }

// n steps from one sigma / alpha to another, placed as Karras's [Karras2022, Eq. 5]: smooth in i / n.
inline std::vector<Step> graded_steps(int n, double from, double to, NoiseLevel (*level)(double)) {
  std::vector<NoiseLevel> levels;
  for (const double ratio : karras_sigmas(n + 1, to, from)) levels.push_back(level(ratio));
  return steps(levels);
}

}  // namespace eddy::test
