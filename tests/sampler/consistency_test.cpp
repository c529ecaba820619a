// Consistency sampling with the exact consistency map of a mixture of two Gaussians in one dimension, and TCD on a Gaussian.
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

constexpr double kWeights[] = {0.3, 0.7}, kMeans[] = {-1, 0.6}, kDeviations[] = {0.2, 0.3};

double cdf(double x, const NoiseLevel& l) {
  double sum = 0;
  for (int k = 0; k < 2; ++k) {
    const double deviation = std::hypot(l.alpha * kDeviations[k], l.sigma);
    sum += kWeights[k] * 0.5 * std::erfc(-(x - l.alpha * kMeans[k]) / deviation / std::sqrt(2.0));
  }
  return sum;
}

double quantile(double u) {
  double low = -4, high = 4;
  for (int i = 0; i < 26; ++i) {
    const double middle = (low + high) / 2;
    (cdf(middle, {0, 1, 0}) < u ? low : high) = middle;
  }
  return (low + high) / 2;
}

// In one dimension the paths of the ODE keep their order: they join equal quantiles.
Prediction ends_of_paths(const Tensor& x, std::span<const NoiseLevel> l) {
  Prediction p{x.clone(), {}, {}};
  for (float& v : p.x0.mutable_values()) v = static_cast<float>(quantile(cdf(static_cast<double>(v), l[0])));
  return p;
}

// Kolmogorov and Smirnov's distance of the values from the mixture, times the root of their number.
double distance(const Tensor& x) {
  std::vector<float> values(x.values().begin(), x.values().end());
  std::ranges::sort(values);
  const auto n = static_cast<double>(values.size());
  double largest = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double u = cdf(static_cast<double>(values[i]), {0, 1, 0}), place = static_cast<double>(i);
    largest = std::max({largest, u - place / n, (place + 1) / n - u});
  }
  return largest * std::sqrt(n);
}

constexpr double kCritical = 1.95;  // exceeded once in a thousand times

Tensor noisy(std::int64_t n, const NoiseLevel& l) {
  Tensor x = philox_noise(3).normal({n, 1}, kInitialNoise);
  const Tensor z = philox_noise(3).normal({n, 1}, kUser);
  std::size_t i = 0;
  for (float& v : x.mutable_values()) {
    const int k = keyed_uniform(3, kTimesteps, static_cast<std::int64_t>(i)) < kWeights[0] ? 0 : 1;
    const double x0 = kMeans[k] + kDeviations[k] * static_cast<double>(z.values()[i++]);
    v = static_cast<float>(l.alpha * x0 + l.sigma * static_cast<double>(v));
  }
  return x;
}

}  // namespace

TEST_CASE("consistency: with the exact map one step and three give the mixture, VP, VE and flow") {
  const std::vector<std::vector<NoiseLevel>> lists{
      {{0, 0.1, std::sqrt(0.99)}, {0, 0.5, std::sqrt(0.75)}, {0, 0.9, std::sqrt(0.19)}, {0, 1, 0}},
      {{0, 1, 20}, {0, 1, 2}, {0, 1, 0.3}, {0, 1, 0}},
      {{0, 0, 1}, {0, 0.5, 0.5}, {0, 0.9, 0.1}, {0, 1, 0}}};
  for (const std::vector<NoiseLevel>& levels : lists) {
    const Tensor x = noisy(100000, levels.front());
    CHECK(distance(sample_consistency(ends_of_paths, x, steps(levels), philox_noise(5))) < kCritical);
    const std::vector<Step> once{{levels.front(), levels.back()}};
    CHECK(distance(sample_consistency(ends_of_paths, x, once, philox_noise(5))) < kCritical);
  }
}

TEST_CASE("consistency: the test of distances sees a mixture that is a little off") {
  ConsistencyOptions options;
  options.noise_scale = 0.9;
  const std::vector<NoiseLevel> levels{{0, 1, 20}, {0, 1, 2}, {0, 1, 0}};
  const Tensor x = noisy(100000, levels.front());
  CHECK(distance(sample_consistency(ends_of_paths, x, steps(levels), philox_noise(5), options)) > kCritical);
}

TEST_CASE("consistency: the boundary scalings keep x at t 0, and the network's x0 far from it") {
  const Denoiser fixed = [](const Tensor& x, std::span<const NoiseLevel>) -> Prediction {
    return {Tensor::full(x.shape(), 7), x, {}};
  };
  ConsistencyOptions options;
  options.timestep_scaling = 10;
  const auto f = [&](double t, double k) {
    const std::vector<Step> one{{{t, 0.8 * k, 0.6 * k}, {0, 1, 0}}};
    const Tensor x = Tensor::full({1, 1}, static_cast<float>(2 * k));
    return static_cast<double>(sample_consistency(fixed, x, one, philox_noise(0), options).item());
  };
  CHECK(f(0, 1) == 2);
  CHECK(f(0, 3) == Approx(2));
  CHECK(f(0.05, 1) == Approx(0.5 * 2 + std::sqrt(0.5) * 7));  // u = s: c_skip 1/2, c_out 1/sqrt(2)
  CHECK(f(1000, 1) == Approx(7));
  options.timestep_scaling = -1;
  CHECK_THROWS_WITH(f(0, 1), Catch::Contains("timestep_scaling"));
}

TEST_CASE("tcd: the variance of its samples follows the exact recursion on a Gaussian, for any eta") {
  constexpr double kVariance = 0.25;
  const Schedule s = linear_schedule(1000);
  const Denoiser exact = [](const Tensor& x, std::span<const NoiseLevel> l) -> Prediction {
    const double d = l[0].alpha * l[0].alpha * kVariance + l[0].sigma * l[0].sigma;
    return {affine(x, l[0].alpha * kVariance / d), affine(x, l[0].sigma / d), {}};
  };
  const std::vector<Step> list = ddim_steps(s, 5, Spacing::trailing, 0, false);
  for (const double eta : {0.0, 0.3, 1.0}) {
    TcdOptions options;
    options.eta = eta;
    options.level = [&](double t) { return s.level_at(t); };
    double v = 1;
    for (const auto& [t, to] : list) {
      const NoiseLevel middle = eta > 0 ? s.level_at((1 - eta) * to.t) : to;
      const double d = t.alpha * t.alpha * kVariance + t.sigma * t.sigma;
      const double factor = middle.alpha * t.alpha * kVariance / d + middle.sigma * t.sigma / d, r = to.alpha / middle.alpha;
      v = r * r * factor * factor * v + to.sigma * to.sigma - r * r * middle.sigma * middle.sigma;
    }
    constexpr std::int64_t n = 200000;
    const Tensor x = sample_tcd(exact, philox_noise(1).normal({1, n}, kInitialNoise), list, philox_noise(1), options);
    double sum = 0;
    for (const float value : x.values()) sum += static_cast<double>(value) * value;
    CHECK(sum / n == Approx(v).epsilon(0.016));  // five deviations
  }
}

TEST_CASE("tcd: an eta out of range, or without its levels, is refused") {
  const Denoiser never = [](const Tensor&, std::span<const NoiseLevel>) -> Prediction { throw std::logic_error("called"); };
  const std::vector<Step> one{{{5, 0.6, 0.8}, {1, 0.8, 0.6}}};
  TcdOptions options;
  CHECK_THROWS_WITH(sample_tcd(never, Tensor::zeros({1, 1}), one, philox_noise(0), options), Catch::Contains("option level"));
  options.eta = 1.5;
  CHECK_THROWS_WITH(sample_tcd(never, Tensor::zeros({1, 1}), one, philox_noise(0), options), Catch::Contains("[0, 1]"));
}

TEST_CASE("tcd: a level that is noisier than the step's end is not gone to") {
  TcdOptions options;
  options.eta = 0.5;
  options.level = [](double) { return NoiseLevel{1, 1, 0.3}; };
  const Denoiser denoise = [](const Tensor& x, std::span<const NoiseLevel>) -> Prediction {
    return {Tensor::full(x.shape(), 2), Tensor::full(x.shape(), 1), {}};
  };
  const Tensor x = sample_tcd(denoise, Tensor::zeros({2, 1}), std::vector{Step{{5, 1, 4}, {0, 1, 0}}}, philox_noise(0), options);
  CHECK(x.values()[0] == 2);
}
