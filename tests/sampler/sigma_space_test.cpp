// Samplers in sigma space on data N(0, 1/4): the exact recursions of the variance, how they agree with each other, and what is
// refused. Their orders are in order_test.cpp.
#include <cmath>
#include <limits>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"
#include "support/closed_form.hpp"

using namespace eddy;
using namespace eddy::test;

namespace {

constexpr std::int64_t kSamples = 200000;

const std::vector<Step>& list() {
  static const std::vector<Step> steps = graded_steps(12, 10, 0.1, exploding_level);
  return steps;
}

double slope(double sigma) { return sigma / (Gaussian{}.variance + sigma * sigma); }  // eps = slope x

// By what a step from sigma to another multiplies x.
double euler_factor(double from, double to) { return 1 + (to - from) * slope(from); }
double heun_factor(double from, double to) { return 1 + (to - from) * (slope(from) + slope(to) * euler_factor(from, to)) / 2; }
double midpoint_factor(double from, double to) {
  const double middle = std::sqrt(from * to);
  return 1 + (to - from) * slope(middle) * euler_factor(from, middle);
}

// With churn of s_churn 3, s_noise 1.1 in [0.5, 5].
double churned_variance(double (*factor)(double, double)) {
  double v = 1;
  for (const auto& [from, to] : list()) {
    const bool noisier = from.sigma >= 0.5 && from.sigma <= 5;
    const double sigma = from.sigma * (noisier ? 1 + 3.0 / 12 : 1);
    v += (sigma * sigma - from.sigma * from.sigma) * 1.1 * 1.1;
    v *= std::pow(factor(sigma, to.sigma), 2);
  }
  return v;
}

// With eta 0.8, s_noise 1.1.
double ancestral_variance(double (*factor)(double, double)) {
  double v = 1;
  for (const auto& [from, to] : list()) {
    const double up = 0.8 * to.sigma * std::sqrt(1 - to.sigma * to.sigma / (from.sigma * from.sigma));
    v = v * std::pow(factor(from.sigma, std::sqrt(to.sigma * to.sigma - up * up)), 2) + up * up * 1.1 * 1.1;
  }
  return v;
}

template <class Options>
Options churning() {
  Options options;
  options.churn = {3, 0.5, 5, 1.1};
  options.level_at = exploding_level;
  return options;
}

template <class Options>
Options ancestral() {
  Options options;
  options.eta = 0.8;
  options.s_noise = 1.1;
  return options;
}

template <class Options>
double variance(Tensor (*sampler)(const Denoiser&, Tensor, std::span<const Step>, const NoiseSource&, const Options&),
                const Options& options) {
  const NoiseSource noise = philox_noise(2);
  const Tensor x = sampler(Gaussian{}, noise.normal({1, kSamples}, kInitialNoise), list(), noise, options);
  double sum = 0;
  for (const float v : x.values()) sum += static_cast<double>(v) * static_cast<double>(v);
  return sum / static_cast<double>(kSamples);
}

double largest_difference(const Tensor& a, const Tensor& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.values().size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(a.values()[i]) - static_cast<double>(b.values()[i])));
  }
  return largest;
}

}  // namespace

TEST_CASE("samplers in sigma space: the variance follows the exact recursion") {  // to five deviations
  CHECK(variance(sample_euler, churning<EulerOptions>()) == Approx(churned_variance(euler_factor)).epsilon(0.016));
  CHECK(variance(sample_heun, churning<ChurnOptions>()) == Approx(churned_variance(heun_factor)).epsilon(0.016));
  CHECK(variance(sample_dpm_2, churning<ChurnOptions>()) == Approx(churned_variance(midpoint_factor)).epsilon(0.016));
  const double euler = variance(sample_euler_ancestral, ancestral<AncestralOptions>());
  CHECK(euler == Approx(ancestral_variance(euler_factor)).epsilon(0.016));
  auto dpm_2 = ancestral<Dpm2AncestralOptions>();
  dpm_2.level_at = exploding_level;
  CHECK(variance(sample_dpm_2_ancestral, dpm_2) == Approx(ancestral_variance(midpoint_factor)).epsilon(0.016));
}

TEST_CASE("euler without churn is ddim, euler_ancestral is ddim at its eta, on any levels") {
  const Tensor begin = philox_noise(1).normal({4, 8}, kInitialNoise);
  for (const auto level : {exploding_level, preserving_level, flow_level}) {
    const std::vector<Step> steps = graded_steps(9, 6, 0.05, level);
    DdimOptions ddim;
    const Tensor plain = sample_ddim(Gaussian{}, begin, steps, philox_noise(1), ddim);
    CHECK(largest_difference(sample_euler(Gaussian{}, begin, steps, philox_noise(1)), plain) < 2e-6);
    ddim.eta = 1;
    const Tensor noisy = sample_ddim(Gaussian{}, begin, steps, philox_noise(1), ddim);
    CHECK(largest_difference(sample_euler_ancestral(Gaussian{}, begin, steps, philox_noise(1)), noisy) < 2e-6);
    CHECK(largest_difference(plain, noisy) > 0.01);
  }
}

TEST_CASE("euler_ancestral: at eta infinity all noise of a step's end is new") {
  const std::vector<Step> step{{flow_level(4), flow_level(1)}};
  const Tensor x = philox_noise(1).normal({2, 8}, kInitialNoise), z = philox_noise(1).normal({2, 8}, {kStepNoise, 0});
  AncestralOptions options;
  options.eta = std::numeric_limits<double>::infinity();
  const Prediction p = Gaussian{}(x, std::vector{step[0].from});
  const Tensor expected = combine(step[0].to.alpha, p.x0, step[0].to.sigma, z);
  CHECK(largest_difference(sample_euler_ancestral(Gaussian{}, x, step, philox_noise(1), options), expected) < 1e-6);
}

TEST_CASE("samplers in sigma space: from pure noise of a flow, and down to the clean end, x stays finite") {
  std::vector<Step> steps = graded_steps(6, 5, 0.1, flow_level);
  steps.insert(steps.begin(), {{1, 0, 1}, steps.front().from});
  steps.push_back({steps.back().to, {0, 1, 0}});
  const Tensor x = philox_noise(1).normal({2, 8}, kInitialNoise);
  auto churn = churning<ChurnOptions>();
  churn.level_at = flow_level;
  auto ancestral = Dpm2AncestralOptions{};
  ancestral.level_at = flow_level;
  const Denoiser d = Gaussian{};
  const double wanted = Gaussian{}.carried(steps.front().from, steps.back().to);  // 1/2
  CHECK(largest_difference(sample_heun(d, x, steps, philox_noise(1)), affine(x, wanted)) < 0.05);
  CHECK(largest_difference(sample_lms(d, x, steps, philox_noise(1)), affine(x, wanted)) < 0.2);
  CHECK_NOTHROW(sample_dpm_2(d, x, steps, philox_noise(1), churn));
  CHECK_NOTHROW(sample_dpm_2_ancestral(d, x, steps, philox_noise(1), ancestral));
}

TEST_CASE("lms: a step that leads nowhere changes nothing") {
  const std::vector<Step> plain = graded_steps(6, 5, 0.1, exploding_level);
  std::vector<Step> longer = plain;
  longer.insert(longer.begin() + 3, {plain[3].from, plain[3].from});
  const Tensor x = philox_noise(1).normal({2, 8}, kInitialNoise);
  const Tensor expected = sample_lms(Gaussian{}, x, plain, philox_noise(1));
  CHECK(largest_difference(sample_lms(Gaussian{}, x, longer, philox_noise(1)), expected) == 0);
}

TEST_CASE("samplers in sigma space: a limited x0 takes eps with it") {
  EulerOptions options;
  options.clip = {Clip::Kind::range, 0.01};
  const std::vector<Step> step{{exploding_level(2), exploding_level(1)}};
  const Tensor x = Tensor::full({1, 1}, 3);
  // eps = (3 - 0.01) / 2
  CHECK(static_cast<double>(sample_euler(Gaussian{}, x, step, philox_noise(0), options).item()) == Approx(3 - 2.99 / 2));
}

TEST_CASE("churn: its share of a step counts the steps of the whole list") {
  EulerOptions options;
  options.churn.s_churn = 1;
  options.level_at = exploding_level;
  options.steps_before = 9;
  double seen = 0;
  const Denoiser d = [&](const Tensor& x, std::span<const NoiseLevel> levels) {
    seen = levels[0].sigma;
    return Gaussian{}(x, levels);
  };
  sample_euler(d, Tensor::full({1, 1}, 1), std::vector<Step>{{exploding_level(2), exploding_level(1)}}, philox_noise(0), options);
  CHECK(seen == Approx(2 * (1 + 1.0 / 10)));
}

TEST_CASE("samplers in sigma space: wrong options are refused with what must hold") {
  const Tensor x = Tensor::full({1, 1}, 1);
  const NoiseSource noise = philox_noise(0);
  const Denoiser d = Gaussian{};
  LmsOptions lms;
  lms.order = 5;
  CHECK_THROWS_WITH(sample_lms(d, x, list(), noise, lms), Catch::Contains("order must be 1 to 4, got 5"));
  ChurnOptions churn;
  CHECK_THROWS_WITH(sample_dpm_2(d, x, list(), noise, churn), Catch::Contains("needs options.level_at"));
  churn.churn.s_churn = 1;
  CHECK_THROWS_WITH(sample_heun(d, x, list(), noise, churn), Catch::Contains("churn leaves the list"));
  churn.churn.s_churn = -1;
  CHECK_THROWS_WITH(sample_heun(d, x, list(), noise, churn), Catch::Contains("must be 0 or above"));
  CHECK_THROWS_WITH(sample_dpm_2_ancestral(d, x, list(), noise, {}), Catch::Contains("needs options.level_at"));
  Dpm2AncestralOptions middle;
  churn.churn = {10, 0};
  middle.level_at = churn.level_at = [](double) { return NoiseLevel{0, 1, 50}; };
  EulerOptions euler;
  static_cast<ChurnOptions&>(euler) = churn;
  CHECK_THROWS_WITH(sample_euler(d, x, list(), noise, euler), Catch::Contains("sample_euler: level_at must give a level"));
  CHECK_THROWS_WITH(sample_heun(d, x, list(), noise, churn), Catch::Contains("sample_heun: level_at must give a level"));
  CHECK_THROWS_WITH(sample_dpm_2_ancestral(d, x, list(), noise, middle), Catch::Contains("level_at must give a level"));
  churn.churn.s_churn = 0;
  CHECK_THROWS_WITH(sample_dpm_2(d, x, list(), noise, churn), Catch::Contains("sample_dpm_2: level_at must give a level"));
  AncestralOptions ancestral;
  ancestral.eta = -0.1;
  CHECK_THROWS_WITH(sample_euler_ancestral(d, x, list(), noise, ancestral), Catch::Contains("eta and s_noise"));
  CHECK_THROWS_AS(sample_euler(d, x, {}, noise), Error);
  EulerOptions cancelled;
  cancelled.cancel.cancel();
  CHECK_THROWS_AS(sample_euler(d, x, list(), noise, cancelled), Cancelled);
}
