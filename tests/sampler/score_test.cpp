// The score-based samplers on a Gaussian, against the exact recursion of its variance.
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

double mean_square(const Tensor& x) {
  double sum = 0;
  for (const float v : x.values()) sum += static_cast<double>(v) * static_cast<double>(v);
  return sum / static_cast<double>(x.elements());
}

std::vector<Step> exploding(int n) {
  std::vector<NoiseLevel> levels;
  for (int i = 0; i < n; ++i) levels.push_back({0, 1, 10 * std::pow(0.005, static_cast<double>(i) / (n - 1))});
  levels.push_back({0, 1, 0});
  return steps(levels);
}

double predicted(double v, const Step& s, bool last) {
  const double total = kVariance + s.from.sigma * s.from.sigma, square = s.from.sigma * s.from.sigma - s.to.sigma * s.to.sigma;
  const double factor = 1 - square / total;
  return factor * factor * v + (last ? 0 : square);
}

}  // namespace

TEST_CASE("score_ve: the predictor's variance follows the exact recursion, at any scale of the levels") {
  const std::vector<Step> list = exploding(12);
  double v = kVariance + 100;
  for (std::size_t i = 0; i < list.size(); ++i) v = predicted(v, list[i], i + 1 == list.size());
  constexpr std::int64_t n = 200000;
  ScoreVeOptions options;
  options.correct_steps = 0;
  const Tensor begin = affine(philox_noise(1).normal({1, n}, kInitialNoise), std::sqrt(kVariance + 100));
  const Tensor x = sample_score_ve(exact, begin, list, philox_noise(2), options);
  CHECK(mean_square(x) == Approx(v).epsilon(0.016));  // five deviations
  std::vector<Step> preserving = list;
  for (Step& s : preserving) {
    for (NoiseLevel* l : {&s.from, &s.to}) {
      const double k = std::hypot(l->alpha, l->sigma);
      *l = {0, l->alpha / k, l->sigma / k};
    }
  }
  const Tensor y = sample_score_ve(exact, affine(begin, preserving[0].from.alpha), preserving, philox_noise(2), options);
  for (std::size_t i = 0; i < 100; ++i) {
    CHECK(static_cast<double>(y.values()[i]) == Approx(static_cast<double>(x.values()[i])).margin(1e-5));
  }
}

TEST_CASE("score_ve: coupled in the batch, the corrector's step is one number, and the variance follows its recursion") {
  const std::vector<Step> list = exploding(8);
  ScoreVeOptions options;
  options.batch_coupled = true;
  options.correct_steps = 2;
  options.snr = 0.3;
  double v = 1.4 * (kVariance + 100);  // too much, for correctors to mend
  for (std::size_t i = 0; i < list.size(); ++i) {
    const double total = kVariance + list[i].from.sigma * list[i].from.sigma;
    for (int k = 0; k < options.correct_steps; ++k) {
      const double h = 2 * options.snr * options.snr * total * total / v;  // E|z| / E|g| is total / sqrt(v) in one dimension
      v = (1 - h / total) * (1 - h / total) * v + 2 * h;
    }
    v = predicted(v, list[i], i + 1 == list.size());
  }
  constexpr std::int64_t n = 200000;
  const Tensor begin = affine(philox_noise(1).normal({n, 1}, kInitialNoise), std::sqrt(1.4 * (kVariance + 100)));
  CHECK(mean_square(sample_score_ve(exact, begin, list, philox_noise(2), options)) == Approx(v).epsilon(0.02));
}

TEST_CASE("score_ve: a sample its own, the corrector's step goes by norms, and sample i alone is sample i of a batch") {
  constexpr std::int64_t n = 4000, d = 64;
  const std::vector<Step> one{{{0, 1, 2}, {0, 1, 1}}, {{0, 1, 1}, {0, 1, 0}}};
  const double q = 3, s = 0.2, total = kVariance + 4;
  ScoreVeOptions options;
  options.snr = s;
  double after = 0;
  options.on_step = [&](const StepReport& r) {
    if (r.step == 0) after = mean_square(r.x);
  };
  const Tensor begin = affine(philox_noise(1).normal({n, d}, kInitialNoise), std::sqrt(q));
  const Tensor x = sample_score_ve(exact, begin, one, philox_noise(2), options);
  // h = 2 s^2 total^2 |z|^2 / |x|^2; E|z|^4 = d (d + 2), E 1 / |x|^2 = 1 / (q (d - 2)), and z's direction has mean 0.
  const double fourth = d * (d + 2.0) / (q * (d - 2.0));
  const double added = 4 * s * s * (s * s + 1) * total * total * fourth, corrected = (q * d - 4 * s * s * total * d + added) / d;
  CHECK(after == Approx(predicted(corrected, one[0], false)).epsilon(0.015));  // five deviations of n d values
  options.on_step = {};
  const Tensor third = sample_score_ve(exact, begin.rows(3, 1).clone(), one, philox_noise(2).from_sample(3), options);
  CHECK(std::ranges::equal(third.values(), x.rows(3, 1).values()));
}

TEST_CASE("score_ve: clipping limits x0, and where it limits nothing it changes nothing") {
  const std::vector<Step> list = exploding(6);
  const Tensor begin = affine(philox_noise(1).normal({2, 8}, kInitialNoise), 10);
  ScoreVeOptions options;
  const Tensor a = sample_score_ve(exact, begin, list, philox_noise(2), options);
  options.clip = {Clip::Kind::range, 100};
  const Tensor b = sample_score_ve(exact, begin, list, philox_noise(2), options);
  for (std::size_t i = 0; i < 16; ++i) {
    CHECK(static_cast<double>(a.values()[i]) == Approx(static_cast<double>(b.values()[i])).margin(1e-4));
  }
  options.clip = {Clip::Kind::range, 0.1};
  const Tensor c = sample_score_ve(exact, begin, list, philox_noise(2), options);
  for (const float v : c.values()) CHECK(std::abs(v) <= 0.1f);
}

TEST_CASE("score_vp: the variance of its samples follows the exact recursion") {
  const Schedule schedule = linear_schedule(1000);
  std::vector<NoiseLevel> levels;
  for (int i = 0; i <= 30; ++i) levels.push_back(schedule.level_at(999 - 990.0 * i / 30));
  const std::vector<Step> list = steps(levels);
  double v = 1;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const NoiseLevel& l = list[i].from;
    const double q = 2 * std::log(list[i].to.alpha / l.alpha), total = l.alpha * l.alpha * kVariance + l.sigma * l.sigma;
    const double factor = 1 + q / 2 - q / total;
    v = factor * factor * v + (i + 1 == list.size() ? 0 : q);
  }
  constexpr std::int64_t n = 200000;
  const Tensor begin = philox_noise(1).normal({1, n}, kInitialNoise);
  CHECK(mean_square(sample_score_vp(exact, begin, list, philox_noise(2))) == Approx(v).epsilon(0.016));  // five deviations
  SamplerOptions options;
  options.clip = {Clip::Kind::range, 100};
  CHECK(mean_square(sample_score_vp(exact, begin, list, philox_noise(2), options)) == Approx(v).epsilon(0.016));
}

TEST_CASE("score samplers: levels that they are not for, a score of zero and wrong numbers are refused") {
  const Tensor x = Tensor::zeros({1, 2});
  const std::vector<Step> pure{{{0, 0, 1}, {0, 0.6, 0.8}}}, exploded{{{0, 1, 2}, {0, 1, 1}}};
  CHECK_THROWS_WITH(sample_score_ve(exact, x, pure, philox_noise(0)), Catch::Contains("step 0"));
  CHECK_THROWS_WITH(sample_score_vp(exact, x, pure, philox_noise(0)), Catch::Contains("step 0"));
  CHECK_THROWS_WITH(sample_score_vp(exact, x, exploded, philox_noise(0)), Catch::Contains("alpha^2 + sigma^2 = 1"));
  CHECK_THROWS_WITH(sample_score_ve(exact, x, exploded, philox_noise(0)), Catch::Contains("score of zero"));
  ScoreVeOptions options;
  options.snr = 0;
  CHECK_THROWS_WITH(sample_score_ve(exact, x, exploded, philox_noise(0), options), Catch::Contains("snr"));
  options = {};
  options.correct_steps = -1;
  CHECK_THROWS_WITH(sample_score_ve(exact, x, exploded, philox_noise(0), options), Catch::Contains("correct_steps"));
}
