// Data N(0, s): the denoiser is known in closed form, and so is what each sampler makes of it.
#include <cmath>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

constexpr double kVariance = 0.25;

Prediction exact(const Tensor& x, std::span<const NoiseLevel> l) {
  const double d = l[0].alpha * l[0].alpha * kVariance + l[0].sigma * l[0].sigma;
  return {affine(x, l[0].alpha * kVariance / d), affine(x, l[0].sigma / d)};
}

// The factor that a deterministic sampler applies to x; exact: sqrt of the ratio of variances.
double ddim_error(int n) {
  const Schedule s = linear_schedule(1000);
  std::vector<NoiseLevel> levels;
  for (int i = 0; i <= n; ++i) levels.push_back(s.level_at(900 - 800.0 * i / n));
  const Tensor x = sample_ddim(exact, Tensor::full({1, 1}, 1), steps(levels), philox_noise(0));
  const auto variance = [](const NoiseLevel& l) { return l.alpha * l.alpha * kVariance + l.sigma * l.sigma; };
  return std::abs(static_cast<double>(x.item()) - std::sqrt(variance(levels.back()) / variance(levels.front())));
}

}  // namespace

TEST_CASE("ddim: order 1 on a Gaussian") {
  const double order = std::log2(ddim_error(40) / ddim_error(80));
  CHECK(order == Approx(1.0).margin(0.05));
}

TEST_CASE("ddpm: the variance of its samples follows the exact recursion") {
  const Schedule s = linear_schedule(1000);
  const auto list = ddpm_steps(s, 50, Spacing::leading);
  for (const Variance kind : {Variance::fixed_small, Variance::fixed_large}) {
    double v = 1;
    for (const auto& [t, to] : list) {
      const double r = t.alpha / to.alpha, beta = t.sigma * t.sigma - r * r * to.sigma * to.sigma, var_t = t.sigma * t.sigma;
      const double gain = t.alpha * kVariance / (t.alpha * t.alpha * kVariance + var_t);
      const double factor = to.alpha * beta / var_t * gain + r * to.sigma * to.sigma / var_t;
      const double added = to.sigma == 0 ? 0 : kind == Variance::fixed_large ? beta : beta * to.sigma * to.sigma / var_t;
      v = factor * factor * v + added;
    }
    constexpr std::int64_t n = 200000;
    const Tensor begin = philox_noise(1).normal({1, n}, kInitialNoise);
    DdpmOptions options;
    options.variance = kind;
    const Tensor x = sample_ddpm(exact, begin, list, philox_noise(1), options);
    double sum = 0;
    for (const float value : x.values()) sum += static_cast<double>(value) * value;
    CHECK(sum / n == Approx(v).epsilon(0.015));  // five deviations
  }
}

TEST_CASE("ddim at eta 1 is ddpm with the small variance") {
  const Schedule s = linear_schedule(1000);
  const auto list = ddpm_steps(s, 20, Spacing::trailing);
  const Tensor begin = philox_noise(1).normal({1, 100}, kInitialNoise);
  DdimOptions options;
  options.eta = 1;
  const Tensor a = sample_ddim(exact, begin, list, philox_noise(1), options);
  const Tensor b = sample_ddpm(exact, begin, list, philox_noise(1));
  for (std::size_t i = 0; i < 100; ++i) {
    CHECK(static_cast<double>(a.values()[i]) == Approx(static_cast<double>(b.values()[i])).margin(2e-5));
  }
}

TEST_CASE("ddpm: a learned range of -1 is the small variance, of 1 the large one") {
  const Schedule s = linear_schedule(1000);
  const auto list = ddpm_steps(s, 20, Spacing::trailing);
  const Tensor begin = philox_noise(1).normal({1, 64}, kInitialNoise);
  for (const auto& [value, kind] : {std::pair{-1.0f, Variance::fixed_small}, std::pair{1.0f, Variance::fixed_large}}) {
    const Denoiser learned = [value = value](const Tensor& x, std::span<const NoiseLevel> l) {
      Prediction p = exact(x, l);
      p.variance = Tensor::full(x.shape(), value);
      return p;
    };
    DdpmOptions options;
    options.variance = Variance::learned_range;
    const Tensor a = sample_ddpm(learned, begin, list, philox_noise(1), options);
    options.variance = kind;
    const Tensor b = sample_ddpm(exact, begin, list, philox_noise(1), options);
    for (std::size_t i = 0; i < 64; ++i) {
      CHECK(static_cast<double>(a.values()[i]) == Approx(static_cast<double>(b.values()[i])).margin(2e-5));
    }
  }
  DdpmOptions options;
  options.variance = Variance::learned_range;
  CHECK_THROWS_AS(sample_ddpm(exact, begin, list, philox_noise(1), options), Error);
}
