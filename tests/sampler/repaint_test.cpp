// RePaint on a Gaussian of two correlated values, the first of them known.
#include <array>
#include <cmath>
#include <functional>
#include <stdexcept>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

constexpr double kCorrelation = 0.8, kKnown = 1;  // so the second has mean 0.8 and variance 0.36 given the first
using Pair = std::array<double, 2>;

// The denoiser is linear, and symmetric in the two values: x0 = a x + b (the other), eps as well.
struct Linear {
  double a, b;
};

Linear of_x0(const NoiseLevel& l) {  // alpha C (alpha^2 C + sigma^2)^-1, by the eigenvalues 1 +- correlation of C
  const auto gain = [&](double c) { return l.alpha * c / (l.alpha * l.alpha * c + l.sigma * l.sigma); };
  const double plus = gain(1 + kCorrelation), minus = gain(1 - kCorrelation);
  return {(plus + minus) / 2, (plus - minus) / 2};
}

Linear of_eps(const NoiseLevel& l) {
  const auto gain = [&](double c) { return l.sigma / (l.alpha * l.alpha * c + l.sigma * l.sigma); };
  const double plus = gain(1 + kCorrelation), minus = gain(1 - kCorrelation);
  return {(plus + minus) / 2, (plus - minus) / 2};
}

Tensor applied(const Linear& m, const Tensor& x) {
  Tensor y = x.clone();
  const std::span<const float> from = x.values();
  for (std::size_t i = 0; i < from.size(); ++i) {
    y.mutable_values()[i] = static_cast<float>(m.a * static_cast<double>(from[i]) + m.b * static_cast<double>(from[i ^ 1]));
  }
  return y;
}

Prediction exact(const Tensor& x, std::span<const NoiseLevel> l) {
  return {applied(of_x0(l[0]), x), applied(of_eps(l[0]), x), {}};
}

// Mean and covariance of x through the whole of a run.
struct Moments {
  Pair mean{0, 0};
  double v0 = 1, v1 = 1, both = 0;

  void noisier(const Step& s) {
    const double r = s.to.alpha / s.from.alpha, added = s.to.sigma * s.to.sigma - r * r * s.from.sigma * s.from.sigma;
    mean = {r * mean[0], r * mean[1]};
    v0 = r * r * v0 + added;
    v1 = r * r * v1 + added;
    both *= r * r;
  }
  void step(const Step& s, double eta) {
    const auto& [t, to] = s;
    const double r = t.alpha / to.alpha;
    const double c = to.sigma == 0 ? 0 : eta * to.sigma / t.sigma * std::sqrt(t.sigma * t.sigma - r * r * to.sigma * to.sigma);
    const double d = std::sqrt(to.sigma * to.sigma - c * c);
    const Linear x0 = of_x0(t), eps = of_eps(t);
    const double own = to.alpha * x0.a + d * eps.a, other = to.alpha * x0.b + d * eps.b;
    mean = {to.alpha * kKnown, own * mean[1] + other * mean[0]};
    v1 = own * own * v1 + other * other * v0 + 2 * own * other * both + c * c;
    v0 = to.sigma * to.sigma;
    both = 0;  // the known value is drawn anew
  }
};

using Up = std::function<Step(const NoiseLevel&, const NoiseLevel&)>;

Moments exact_moments(std::span<const Step> list, double eta, const Up& up = {}) {
  Moments m;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const NoiseLevel low = i > 0 ? list[i - 1].to : list[i].from, high = list[i].from;
    if (high.t > low.t || high.sigma > low.sigma) m.noisier(up ? up(low, high) : Step{low, high});
    m.step(list[i], eta);
  }
  return m;
}

RepaintOptions known(double eta) {
  RepaintOptions options;
  options.picture = Tensor::full({1, 2}, static_cast<float>(kKnown));
  options.mask = Tensor::from(std::array{1.0f, 0.0f}, {1, 2});
  options.eta = eta;
  return options;
}

}  // namespace

TEST_CASE("repaint: mean and variance of what it makes follow the exact recursion") {
  const Schedule schedule = linear_schedule(1000);
  using Jumps = std::tuple<int, int, double>;
  for (const auto& [jump, times, eta] : {Jumps{10, 1, 0}, Jumps{5, 4, 0}, Jumps{4, 3, 1}, Jumps{7, 2, 0.5}}) {
    const std::vector<Step> list = resampled_steps(ddim_steps(schedule, 25, Spacing::leading), jump, times);
    const Moments m = exact_moments(list, eta);
    constexpr std::int64_t n = 50000;
    const Tensor x = sample_repaint(exact, philox_noise(1).normal({n, 2}, kInitialNoise), list, philox_noise(1), known(eta));
    double sum = 0, squares = 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (x.values()[2 * i] != static_cast<float>(kKnown)) FAIL("the known value has changed in sample " << i);
      const auto v = static_cast<double>(x.values()[2 * i + 1]);
      sum += v;
      squares += v * v;
    }
    const double mean = sum / n, variance = squares / n - mean * mean;
    INFO(jump << " " << times << " " << eta);
    CHECK(mean == Approx(m.mean[1]).epsilon(0).margin(5 * std::sqrt(m.v1 / n)));
    CHECK(variance == Approx(m.v1).epsilon(5 * std::sqrt(2.0 / n)));
  }
}

TEST_CASE("repaint: it is biased, less so with noise and repetition; given the known value the mean is 0.8, the variance 0.36") {
  const Schedule schedule = linear_schedule(1000);
  const auto moments = [&](int n, int jump, int times, double eta) {
    return exact_moments(resampled_steps(ddim_steps(schedule, n, Spacing::leading), jump, times), eta);
  };
  const Moments once = moments(250, 10, 1, 0), defaults = moments(250, 10, 10, 0), noisy = moments(1000, 10, 40, 1);
  CHECK(once.mean[1] == Approx(0.347).margin(0.003));
  CHECK(once.v1 == Approx(0.591).margin(0.003));
  CHECK(defaults.mean[1] == Approx(0.732).margin(0.003));
  CHECK(defaults.v1 == Approx(0.367).margin(0.003));
  CHECK(noisy.mean[1] == Approx(0.792).margin(0.003));
  CHECK(noisy.v1 == Approx(0.336).margin(0.003));
}

TEST_CASE("repaint: diffusers goes back up by the betas of noisier levels, and is biased a little more") {
  const Schedule schedule = linear_schedule(1000);
  const Up shifted = [&](const NoiseLevel& from, const NoiseLevel& to) -> Step {  // by T / n - 1 = 3 levels
    const int low = from.sigma == 0 ? -4 : static_cast<int>(from.t);
    return {low < 0 ? NoiseLevel{0, 1, 0} : schedule.level(low + 3), schedule.level(static_cast<int>(to.t) + 3)};
  };
  const Moments m = exact_moments(resampled_steps(ddim_steps(schedule, 250, Spacing::leading), 10, 10), 0, shifted);
  CHECK(m.mean[1] == Approx(0.717).margin(0.003));
  CHECK(m.v1 == Approx(0.384).margin(0.003));
}

TEST_CASE("repaint: one picture and one mask stand for all samples, a mask of one channel for all channels") {
  const std::vector<Step> list = ddim_steps(linear_schedule(1000), 5, Spacing::leading);
  const Tensor x = philox_noise(1).normal({2, 2, 2}, kInitialNoise);
  RepaintOptions options;
  options.picture = philox_noise(2).normal({1, 2, 2}, kUser);
  options.mask = Tensor::from(std::array{1.0f, 0.0f}, {1, 2, 1});
  const Tensor a = sample_repaint(exact, x, list, philox_noise(1), options);
  for (std::size_t i : {0u, 1u, 4u, 5u}) CHECK(a.values()[i] == options.picture.values()[i % 4]);
  options.mask = Tensor::from(std::array{1.0f, 1.0f, 0.0f, 0.0f, 1.0f, 1.0f, 0.0f, 0.0f}, {2, 2, 2});
  CHECK(std::ranges::equal(a.values(), sample_repaint(exact, x, list, philox_noise(1), options).values()));
}

TEST_CASE("repaint: what does not fit x is refused, by sampler and configuration") {
  const std::vector<Step> list = ddim_steps(linear_schedule(1000), 5, Spacing::leading);
  const auto run = [&](const RepaintOptions& options) {
    return sample_repaint(exact, Tensor::zeros({3, 2}), list, philox_noise(1), options);
  };
  RepaintOptions options = known(0);
  options.picture = {};
  CHECK_THROWS_WITH(run(options), Catch::Contains("picture"));
  options = known(0);
  options.mask = Tensor::zeros({2, 2});
  CHECK_THROWS_WITH(run(options), Catch::Contains("mask"));
  CHECK_THROWS_WITH(run(known(1.5)), Catch::Contains("eta"));
  const SchedulerConfig config(R"({"_class_name":"RePaintScheduler"})", "test");
  CHECK_THROWS_WITH(sampling_of(config, {.steps = 5}), Catch::Contains("picture and a mask"));
  const SamplingOptions with_picture{.steps = 5, .picture = Tensor::zeros({1, 2})};
  CHECK_THROWS_WITH(sampling_of({}, with_picture), Catch::Contains("ddim has no picture") && Catch::Contains("repaint"));
  CHECK_THROWS_WITH(resampled_steps(list, 0, 1), Catch::Contains("jump_length"));
}

TEST_CASE("repaint: the list of steps goes back as the paper's") {
  std::vector<NoiseLevel> levels;
  for (int t = 5; t >= 0; --t) levels.push_back({static_cast<double>(t), 1, 0.1 * t});
  std::vector<int> from;
  for (const Step& s : resampled_steps(steps(levels), 2, 3)) from.push_back(static_cast<int>(s.from.t));
  CHECK(from == std::vector{5, 4, 3, 4, 3, 4, 3, 2, 1, 2, 1, 2, 1});
}
