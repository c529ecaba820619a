// The stochastic samplers of k-diffusion on data N(0, 1/4): what they make of it is known exactly.
#include <array>
#include <cmath>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

constexpr double kVariance = 0.25;
constexpr std::int64_t kSamples = 40000;

NoiseLevel exploding(double r) { return {r, 1, r}; }
NoiseLevel preserving(double r) { return {r, 1 / std::hypot(1, r), r / std::hypot(1, r)}; }
NoiseLevel flow(double r) { return {r, 1 / (1 + r), r / (1 + r)}; }

// x0 of N(0, v) for one level or one a sample; at alpha = 1 it is gain(r) x.
double gain(double r) { return kVariance / (kVariance + r * r); }

Prediction exact(const Tensor& x, std::span<const NoiseLevel> levels) {
  Tensor x0 = x.clone(), eps = x.clone();
  const std::size_t row = x.values().size() / levels.size();
  for (std::size_t i = 0; i < x.values().size(); ++i) {
    const NoiseLevel& l = levels[i / row];
    const double all = l.alpha * l.alpha * kVariance + l.sigma * l.sigma, v = static_cast<double>(x.values()[i]);
    x0.mutable_values()[i] = static_cast<float>(l.alpha * kVariance / all * v);
    eps.mutable_values()[i] = static_cast<float>(l.sigma / all * v);
  }
  return {x0, eps, {}};
}

const std::vector<double> kRatios{10, 6, 3, 1.7, 0.9, 0.4, 0.15};

std::vector<Step> list(const LevelAt& level, const std::vector<double>& ratios = kRatios) {
  std::vector<NoiseLevel> levels;
  for (const double r : ratios) levels.push_back(level(r));
  return steps(levels);
}

using Run = std::function<Tensor(Tensor x, std::span<const Step>, const NoiseSource&, const LevelAt&)>;

template <class Options>
Options stochastic(double eta, double s_noise = 1) {
  Options o;
  o.eta = eta;
  o.s_noise = s_noise;
  return o;
}

Run two_s(double eta, double s_noise = 1) {
  return [=](Tensor x, std::span<const Step> s, const NoiseSource& noise, const LevelAt& level) {
    auto o = stochastic<Dpmpp2sOptions>(eta, s_noise);
    o.level_at = level;
    return sample_dpmpp_2s_ancestral(exact, std::move(x), s, noise, o);
  };
}

Run sde(double eta, double r = 0.5, double s_noise = 1) {
  return [=](Tensor x, std::span<const Step> s, const NoiseSource& noise, const LevelAt& level) {
    auto o = stochastic<DpmppSdeOptions>(eta, s_noise);
    o.r = r;
    o.level_at = level;
    return sample_dpmpp_sde(exact, std::move(x), s, noise, o);
  };
}

Run two_m(double eta, Dpmpp2mSdeOptions::Correction correction, double s_noise = 1) {
  return [=](Tensor x, std::span<const Step> s, const NoiseSource& noise, const LevelAt&) {
    auto o = stochastic<Dpmpp2mSdeOptions>(eta, s_noise);
    o.correction = correction;
    return sample_dpmpp_2m_sde(exact, std::move(x), s, noise, o);
  };
}

Run three_m(double eta, double s_noise = 1, bool half = false) {
  return [=](Tensor x, std::span<const Step> s, const NoiseSource& noise, const LevelAt&) {
    auto o = stochastic<Dpmpp3mSdeOptions>(eta, s_noise);
    o.half_curvature = half;
    return sample_dpmpp_3m_sde(exact, std::move(x), s, noise, o);
  };
}

Run fast(double eta, std::vector<int> orders = {}, double s_noise = 1) {
  return [=](Tensor x, std::span<const Step> s, const NoiseSource& noise, const LevelAt& level) {
    auto o = stochastic<DpmFastOptions>(eta, s_noise);
    o.orders = orders;
    o.level_at = level;
    return sample_dpm_fast(exact, std::move(x), s, noise, o);
  };
}

DpmAdaptiveOptions adaptive_options(double eta, const LevelAt& level, double scale = 1) {
  auto o = stochastic<DpmAdaptiveOptions>(eta);
  o.rtol *= scale;
  o.atol *= scale;
  o.level_at = level;
  return o;
}

Run adaptive(double eta, int order = 3, double scale = 1, bool coupled = false) {
  return [=](Tensor x, std::span<const Step> s, const NoiseSource& noise, const LevelAt& level) {
    DpmAdaptiveOptions o = adaptive_options(eta, level, scale);
    o.order = order;
    o.batch_coupled = coupled;
    return sample_dpm_adaptive(exact, std::move(x), s, noise, o);
  };
}

const auto kMidpoint = Dpmpp2mSdeOptions::Correction::midpoint, kHeun = Dpmpp2mSdeOptions::Correction::heun;

struct Row {
  const char* name;
  Run run;
  double margin = 2e-5;
};
const std::vector<Row> kNoisy{{"2s ancestral", two_s(0.8)},
                              {"sde", sde(1)},
                              {"2m sde", two_m(1, kMidpoint)},
                              {"3m sde", three_m(0.7)},
                              {"fast", fast(0.6)},
                              {"adaptive", adaptive(0.5), 5e-4}};  // its steps feel rounding

// (x, x0 before, x0 before that) as a Gaussian vector at alpha = 1: x' = c . (x, x0, x0_1, x0_2) + noise.
struct Recursion {
  std::array<std::array<double, 3>, 3> cov{};

  void step(double g, double of_x, double of_x0, double of_1, double of_2, double added) {
    const std::array<std::array<double, 3>, 3> m{{{of_x + of_x0 * g, of_1, of_2}, {g, 0, 0}, {0, 1, 0}}};
    std::array<std::array<double, 3>, 3> next{};
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 3; ++j) {
        for (std::size_t k = 0; k < 3; ++k) {
          for (std::size_t l = 0; l < 3; ++l) next[i][j] += m[i][k] * cov[k][l] * m[j][l];
        }
      }
    }
    next[0][0] += added;
    cov = next;
  }
};

struct Ancestral {
  double down, up;
};
Ancestral ancestral(double from, double to, double eta) {
  const double up = eta * std::sqrt(to * to * (from * from - to * to)) / from;
  return {std::sqrt(to * to - up * up), up};
}

void check_variance(const Run& run, double expected) {
  const NoiseSource noise = philox_noise(4);
  const Tensor z = noise.normal({1, kSamples}, kInitialNoise);
  const Tensor x = run(affine(z, kRatios.front()), list(exploding), noise, exploding);
  double sum = 0;
  for (const float v : x.values()) sum += static_cast<double>(v) * v;
  CHECK(sum / kSamples == Approx(expected).epsilon(0.036));  // five deviations
}

// c of order 1 for the exponential integrators: x' = (r' / r) e^(-eta h) x + (1 - e^-g) x0.
struct Exponential {
  double h, g, of_x, of_x0, added;
  Exponential(double from, double to, double eta, double s_noise)
      : h(std::log(from / to)), g(h * (1 + eta)), of_x(std::exp(-g)), of_x0(1 - std::exp(-g)),
        added(to * to * (1 - std::exp(-2 * eta * h)) * s_noise * s_noise) {}
};

}  // namespace

TEST_CASE("dpmpp_2s_ancestral: the variance follows the exact recursion") {
  for (const auto& [eta, s_noise] : {std::pair{1.0, 1.0}, std::pair{0.5, 1.3}}) {
    double v = 100;
    for (std::size_t i = 0; i + 1 < kRatios.size(); ++i) {
      const double r = kRatios[i];
      const auto [down, up] = ancestral(r, kRatios[i + 1], eta);
      const double s = std::sqrt(r * down), u = s / r + (1 - s / r) * gain(r);
      const double a = down / r + (1 - down / r) * gain(s) * u;
      v = a * a * v + up * up * s_noise * s_noise;
    }
    check_variance(two_s(eta, s_noise), v);
  }
}

TEST_CASE("dpmpp_sde: the variance follows the exact recursion, whose two noises share a path") {
  for (const auto& [eta, part, s_noise] : {std::tuple{1.0, 0.5, 1.0}, std::tuple{0.6, 0.3, 1.2}, std::tuple{1.0, 1.0, 1.0}}) {
    double v = 100, without = 100;
    for (std::size_t i = 0; i + 1 < kRatios.size(); ++i) {
      const double r = kRatios[i], to = kRatios[i + 1], s = std::pow(r, 1 - part) * std::pow(to, part), w = 1 / (2 * part);
      const Ancestral first = ancestral(r, s, eta), all = ancestral(r, to, eta);
      const double u = first.down / r + (1 - first.down / r) * gain(r), rest = 1 - all.down / r;
      const double a = all.down / r + rest * ((1 - w) * gain(r) + w * gain(s) * u), b = rest * w * gain(s) * first.up * s_noise;
      const double p = all.up * s_noise, shared = std::sqrt((r - s) / (r - to));
      v = a * a * v + b * b + p * p + 2 * b * p * shared;
      without = a * a * without + b * b + p * p;
    }
    CHECK(without < 0.92 * v);  // so that the test sees the sharing
    check_variance(sde(eta, part, s_noise), v);
  }
}

TEST_CASE("dpmpp_2m_sde: the variance follows the exact recursion, with both corrections") {
  for (const auto correction : {kMidpoint, kHeun}) {
    for (const auto& [eta, s_noise] : {std::pair{1.0, 1.0}, std::pair{0.4, 1.2}}) {
      Recursion q;
      q.cov[0][0] = 100;
      double before = 0;
      for (std::size_t i = 0; i + 1 < kRatios.size(); ++i) {
        const Exponential e(kRatios[i], kRatios[i + 1], eta, s_noise);
        const double c = before == 0 ? 0 : (correction == kHeun ? 1 - e.of_x0 / e.g : e.of_x0 / 2) * e.h / before;
        q.step(gain(kRatios[i]), e.of_x, e.of_x0 + c, -c, 0, e.added);
        before = e.h;
      }
      check_variance(two_m(eta, correction, s_noise), q.cov[0][0]);
    }
  }
}

TEST_CASE("dpmpp_3m_sde: the variance follows the exact recursion") {
  for (const auto& [eta, s_noise, half] : {std::tuple{1.0, 1.0, false}, std::tuple{0.4, 1.2, true}}) {
    Recursion q;
    q.cov[0][0] = 100;
    double h_1 = 0, h_2 = 0;
    for (std::size_t i = 0; i + 1 < kRatios.size(); ++i) {
      const Exponential e(kRatios[i], kRatios[i + 1], eta, s_noise);
      const double phi_2 = (std::exp(-e.g) - 1) / e.g + 1, phi_3 = phi_2 / e.g - 0.5;
      double c[3] = {e.of_x0, 0, 0};
      if (h_2 > 0) {  // phi_2 D1 - 2 phi_3 D2 with D1 = E0 + k0 (E0 - E1), D2 = (E0 - E1) / (r0 + r1)
        const double r0 = h_1 / e.h, r1 = h_2 / e.h, k = (phi_2 * r0 - (half ? 1 : 2) * phi_3) / (r0 + r1);
        c[0] += (phi_2 + k) / r0;
        c[1] += -(phi_2 + k) / r0 - k / r1;
        c[2] += k / r1;
      } else if (h_1 > 0) {
        c[0] += phi_2 * e.h / h_1;
        c[1] -= phi_2 * e.h / h_1;
      }
      q.step(gain(kRatios[i]), e.of_x, c[0], c[1], c[2], e.added);
      h_2 = h_1;
      h_1 = e.h;
    }
    check_variance(three_m(eta, s_noise, half), q.cov[0][0]);
  }
}

TEST_CASE("dpm_fast: the variance follows the exact recursion; the last step has no noise") {
  double v = 100;
  const double s_noise = 1.2, last = kRatios.back();
  const auto eps = [](double r, double y) { return r / (kVariance + r * r) * y; };
  for (std::size_t i = 0; i + 1 < kRatios.size(); ++i) {
    const double r = kRatios[i], to = kRatios[i + 1], down = std::max(last, ancestral(r, to, 0.8).down), h = std::log(r / down);
    const double s = r * std::exp(-h / 2), u = 1 - (r - s) * eps(r, 1);  // of order 2
    const double a = 1 - (r - down) * eps(s, u);
    v = a * a * v + (to * to - down * down) * s_noise * s_noise;
  }
  check_variance(fast(0.8, std::vector<int>(kRatios.size() - 1, 2), s_noise), v);
}

TEST_CASE("dpm_fast: orders that add up to so many evaluations") {
  CHECK(dpm_fast_orders(9) == std::vector<int>{3, 3, 2, 1});
  CHECK(dpm_fast_orders(10) == std::vector<int>{3, 3, 3, 1});
  CHECK(dpm_fast_orders(2) == std::vector<int>{2});
  CHECK(dpm_fast_orders(3) == std::vector<int>{2, 1});
  CHECK_THROWS_AS(dpm_fast_orders(0), Error);
  CHECK_THROWS_WITH(dpm_fast_orders(1'000'001), Catch::Contains("1000001"));
}

TEST_CASE("stochastic samplers: the same x / alpha from levels of every kind") {
  const NoiseSource noise = philox_noise(9);
  const Tensor z = noise.normal({3, 50}, kInitialNoise);
  for (const auto& [name, run, margin] : kNoisy) {
    INFO(name);
    const Tensor expected = run(affine(z, 10), list(exploding), noise, exploding);
    for (const LevelAt& level : {LevelAt(preserving), LevelAt(flow)}) {
      const std::vector<Step> steps = list(level);
      const Tensor x = run(affine(z, steps.front().from.sigma), steps, noise, level);
      for (std::size_t i = 0; i < 150; ++i) {
        const double y = static_cast<double>(x.values()[i]) / steps.back().to.alpha;
        CHECK(y == Approx(expected.values()[i]).epsilon(2e-4).margin(margin));
      }
    }
  }
}

TEST_CASE("stochastic samplers: sample i alone is sample i of any batch; another seed gives another") {
  const NoiseSource noise = philox_noise(9);
  const Tensor z = affine(noise.normal({4, 3, 7}, kInitialNoise), 10);
  for (const auto& [name, run, margin] : kNoisy) {
    INFO(name);
    const Tensor all = run(z, list(exploding), noise, exploding);
    for (std::int64_t i = 0; i < 4; ++i) {
      const Tensor one = run(z.rows(i, 1).clone(), list(exploding), noise.from_sample(i), exploding);
      CHECK(std::ranges::equal(one.values(), all.rows(i, 1).values()));
    }
    CHECK(!std::ranges::equal(run(z, list(exploding), philox_noise(10), exploding).values(), all.values()));
  }
}

TEST_CASE("stochastic samplers: at eta 0 the noise does not count, a step to sigma 0 ends at x0") {
  const Tensor z = affine(philox_noise(9).normal({2, 5}, kInitialNoise), 10);
  const std::vector<Row> rows{{"2s", two_s(0)}, {"sde", sde(0)}, {"2m", two_m(0, kHeun)}, {"3m", three_m(0)}};
  for (const auto& [name, run, margin] : rows) {
    INFO(name);
    CHECK(std::ranges::equal(run(z, list(exploding), philox_noise(1), exploding).values(),
                             run(z, list(exploding), philox_noise(2), exploding).values()));
    const std::vector<Step> last = list(exploding, {0.5, 0});
    const Tensor x = run(z, last, philox_noise(1), exploding), x0 = exact(z, std::vector{last[0].from}).x0;
    for (std::size_t i = 0; i < 10; ++i) CHECK(x.values()[i] == Approx(x0.values()[i]).epsilon(1e-6));
  }
}

TEST_CASE("dpm_adaptive: smaller tolerances, smaller errors and more evaluations; each sample decides alone") {
  const Tensor z = affine(philox_noise(9).normal({3, 16}, kInitialNoise), 10);
  const double carried = std::sqrt((kVariance + 0.15 * 0.15) / (kVariance + 100));
  for (const int order : {2, 3}) {
    double before = 1e9;
    for (const double scale : {1.0, 0.1, 0.01, 0.001}) {
      const Tensor x = adaptive(0, order, scale)(z, list(exploding, {10, 0.15}), philox_noise(0), exploding);
      double worst = 0;
      for (std::size_t i = 0; i < 48; ++i) {
        worst = std::max(worst, std::abs(static_cast<double>(x.values()[i]) - carried * static_cast<double>(z.values()[i])));
      }
      CHECK(worst < 0.7 * before);
      before = worst;
    }
    CHECK(before < (order == 2 ? 1e-4 : 4e-4));
  }
  // A sample of 1000 times the size needs other steps; alone and beside it, the others stay the same.
  Tensor mixed = z.clone();
  for (std::size_t i = 0; i < 16; ++i) mixed.mutable_values()[i] *= 1000;
  const std::vector<Step> steps = list(exploding, {10, 0.15});
  const Tensor apart = adaptive(0)(mixed, steps, philox_noise(0), exploding);
  CHECK(std::ranges::equal(apart.rows(1, 2).values(), adaptive(0)(z, steps, philox_noise(0), exploding).rows(1, 2).values()));
  const Tensor coupled = adaptive(0, 3, 1, true)(mixed, steps, philox_noise(0), exploding);
  CHECK(!std::ranges::equal(apart.rows(1, 2).values(), coupled.rows(1, 2).values()));
}

TEST_CASE("dpm_adaptive: each Step begins at its own level") {
  const Tensor z = affine(philox_noise(9).normal({2, 8}, kInitialNoise), 10);
  const std::vector<Step> apart{{exploding(10), exploding(3)}, {exploding(1), exploding(0.15)}};
  double carried = 1;
  for (const auto& [from, to] : apart) {
    carried *= std::sqrt((kVariance + to.sigma * to.sigma) / (kVariance + from.sigma * from.sigma));
  }
  const Tensor x = adaptive(0, 3, 0.001)(z, apart, philox_noise(0), exploding);
  for (std::size_t i = 0; i < 16; ++i) {
    CHECK(x.values()[i] == Approx(carried * static_cast<double>(z.values()[i])).epsilon(2e-3).margin(2e-4));
  }
}

TEST_CASE("dpm_adaptive: at eta 1 and a small tolerance the variance is that of the data") {
  for (const int order : {2, 3}) {
    const Run run = [=](Tensor x, std::span<const Step> s, const NoiseSource& noise, const LevelAt& level) {
      DpmAdaptiveOptions o = adaptive_options(1, level, 0.02);
      o.order = order;
      return sample_dpm_adaptive(exact, std::move(x), s, noise, o);
    };
    check_variance(run, kVariance + 0.15 * 0.15);
  }
}

TEST_CASE("stochastic samplers: wrong options are refused") {
  const Tensor z = Tensor::full({1, 4}, 1);
  const NoiseSource noise = philox_noise(0);
  const std::vector<Step> to_noise = list(exploding), to_zero = list(exploding, {1, 0.5, 0});
  for (const auto& [name, run, margin] : kNoisy) {
    INFO(name);
    CHECK_THROWS_WITH(run(z, list([](double r) { return NoiseLevel{r, 0, r}; }), noise, exploding),
                      Catch::Contains("alpha above 0"));
    CHECK_THROWS_AS(run(z, {}, noise, exploding), Error);
  }
  CHECK_THROWS_WITH(two_s(-1)(z, to_noise, noise, exploding), Catch::Contains("eta and s_noise"));
  CHECK_THROWS_WITH(three_m(1, -1)(z, to_noise, noise, exploding), Catch::Contains("eta and s_noise"));
  CHECK_THROWS_WITH(two_s(1)(z, to_noise, noise, {}), Catch::Contains("needs level_at"));
  CHECK_THROWS_WITH(sde(1)(z, to_noise, noise, [](double) { return NoiseLevel{0, 1, 9}; }), Catch::Contains("must give a level"));
  CHECK_THROWS_WITH(sde(1, 0)(z, to_noise, noise, exploding), Catch::Contains("r must be in (0, 1]"));
  CHECK_THROWS_WITH(fast(0, {4})(z, list(exploding, {1, 0.5}), noise, exploding), Catch::Contains("orders must be 1, 2 or 3"));
  CHECK_THROWS_WITH(fast(0, {1})(z, to_noise, noise, exploding), Catch::Contains("each of the 6 steps"));
  CHECK_THROWS_WITH(fast(0)(z, to_zero, noise, exploding), Catch::Contains("sigma above 0"));
  CHECK_THROWS_WITH(adaptive(0)(z, to_zero, noise, exploding), Catch::Contains("sigma above 0"));
  CHECK_THROWS_WITH(adaptive(0, 4)(z, to_noise, noise, exploding), Catch::Contains("order must be 2 or 3"));
  DpmAdaptiveOptions o = adaptive_options(0, exploding);
  o.most_trials = 2;
  CHECK_THROWS_WITH(sample_dpm_adaptive(exact, z, list(exploding, {10, 0.1}), noise, o), Catch::Contains("most_trials = 2"));
  o.atol = 0;
  CHECK_THROWS_WITH(sample_dpm_adaptive(exact, z, to_noise, noise, o), Catch::Contains("must be positive"));
  const Denoiser broken = [](const Tensor& x, std::span<const NoiseLevel>) -> Prediction {
    return {Tensor::full(x.shape(), std::nanf("")), Tensor::full(x.shape(), std::nanf("")), {}};
  };
  CHECK_THROWS_WITH(sample_dpm_adaptive(broken, z, to_noise, noise, adaptive_options(0, exploding)),
                    Catch::Contains("error estimate is not finite"));
}
