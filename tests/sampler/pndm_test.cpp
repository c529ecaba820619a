#include <cmath>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

constexpr double kVariance = 0.25;

Prediction exact(const Tensor& x, std::span<const NoiseLevel> l) {
  const double d = l[0].alpha * l[0].alpha * kVariance + l[0].sigma * l[0].sigma;
  return {affine(x, l[0].alpha * kVariance / d), affine(x, l[0].sigma / d), {}};
}

// Even steps of sigma at alpha = 1, where the weights of the multistep methods are exact.
std::vector<Step> even(int n, double from = 2, double to = 0.5) {
  std::vector<NoiseLevel> levels;
  for (int i = 0; i <= n; ++i) levels.push_back({0, 1, from + (to - from) * i / n});
  return steps(levels);
}

using Run = Tensor (*)(Tensor, std::span<const Step>);

Tensor runge_kutta(Tensor x, std::span<const Step> list) {
  PndmOptions options;
  options.stages = [](const Step& s) {
    const NoiseLevel middle{0, 1, (s.from.sigma + s.to.sigma) / 2};
    return std::vector<Step>{{s.from, middle}, {s.from, middle}};
  };
  return sample_pndm(exact, std::move(x), list, philox_noise(0), options);
}

Tensor heun(Tensor x, std::span<const Step> list) {
  PndmOptions options;
  options.runge_kutta = false;
  return sample_pndm(exact, std::move(x), list, philox_noise(0), options);
}

Tensor improved(Tensor x, std::span<const Step> list) { return sample_ipndm(exact, std::move(x), list, philox_noise(0)); }

// Of the factor that the sampler applies to x.
double error(const Run& run, const std::vector<Step>& list) {
  const auto variance = [](const NoiseLevel& l) { return kVariance + l.sigma * l.sigma; };
  const double factor = static_cast<double>(run(Tensor::full({1, 1}, 1), list).item());
  return std::abs(factor - std::sqrt(variance(list.back().to) / variance(list.front().from)));
}

double order(const Run& run, int n, double from, double to) {
  return std::log2(error(run, even(n, from, to)) / error(run, even(2 * n, from, to)));
}

}  // namespace

// In double, with errors that are large beside float32's rounding, the three are 3.78, 3.49 and 2.04; further on 4, 3 and 2.
TEST_CASE("pndm: order 4 begun by Runge and Kutta, at least 3 begun by Heun; ipndm, begun by Euler, 2") {
  CHECK(order(runge_kutta, 20, 2, 0.5) == Approx(3.78).margin(0.15));
  CHECK(order(heun, 10, 2, 0.5) == Approx(3.49).margin(0.1));
  CHECK(order(improved, 20, 0.8, 0.5) == Approx(2.04).margin(0.05));
}

TEST_CASE("pndm: a velocity is combined raw, and means the same as eps where a step has one output") {
  const std::vector<Step> one{{{5, 0.6, 0.8}, {1, 0.8, 0.6}}};
  const Tensor x = philox_noise(1).normal({2, 3}, kInitialNoise);
  PndmOptions options;
  options.runge_kutta = false;
  const Tensor a = sample_pndm(exact, x, one, philox_noise(0), options);
  options.raw = Raw::velocity;
  const Tensor b = sample_pndm(exact, x, one, philox_noise(0), options);
  options.clip = {Clip::Kind::range, 100};
  options.raw = Raw::eps;
  const Tensor c = sample_pndm(exact, x, one, philox_noise(0), options);
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(static_cast<double>(b.values()[i]) == Approx(static_cast<double>(a.values()[i])).margin(1e-6));
    CHECK(static_cast<double>(c.values()[i]) == Approx(static_cast<double>(a.values()[i])).margin(1e-6));
  }
  options.clip = {Clip::Kind::range, 0.01};
  CHECK(sample_pndm(exact, x, one, philox_noise(0), options).values()[0] != a.values()[0]);
}

TEST_CASE("pndm: too few steps, no stages and the wrong number of them are refused") {
  const Tensor x = Tensor::zeros({1, 2});
  PndmOptions options;
  CHECK_THROWS_WITH(sample_pndm(exact, x, even(3), philox_noise(0), options), Catch::Contains("at least 4"));
  CHECK_THROWS_WITH(sample_pndm(exact, x, even(4), philox_noise(0), options), Catch::Contains("stages"));
  options.stages = [](const Step& s) { return std::vector{s}; };
  CHECK_THROWS_WITH(sample_pndm(exact, x, even(4), philox_noise(0), options), Catch::Contains("two stages"));
  options.runge_kutta = false;
  options.stages = [](const Step& s) { return std::vector{s, s}; };
  CHECK_THROWS_WITH(sample_pndm(exact, x, even(4), philox_noise(0), options), Catch::Contains("one stage"));
  const std::vector<Step> pure{{{9, 0, 1}, {1, 0.8, 0.6}}};
  CHECK_THROWS_WITH(sample_pndm(exact, x, pure, philox_noise(0), options), Catch::Contains("alpha = 0"));
}

TEST_CASE("ipndm: at alpha 0 the first step takes the network's x0, or none with least_alpha") {
  const Denoiser fixed = [](const Tensor& x, std::span<const NoiseLevel>) -> Prediction {
    return {Tensor::full(x.shape(), 3), x, {}};
  };
  const std::vector<Step> one{{{1, 0, 1}, {0.5, 0.8, 0.6}}};
  IpndmOptions options;
  const auto run = [&] {
    return static_cast<double>(sample_ipndm(fixed, Tensor::full({1, 1}, 2), one, philox_noise(0), options).item());
  };
  CHECK(run() == Approx(0.8 * 3 + 0.6 * 2));
  options.least_alpha = 1e-8;
  CHECK(run() == Approx(0.6 * 2));
  options.least_alpha = -1;
  CHECK_THROWS_WITH(run(), Catch::Contains("least_alpha"));
}
