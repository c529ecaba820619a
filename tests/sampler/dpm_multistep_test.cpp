#include "solver_case.hpp"
#include "support/catch.hpp"

using namespace eddy;
using namespace eddy::test;

namespace {

struct Own : DpmMultistepOptions {
  explicit Own(int order_, Integrand integrand_ = Integrand::x0, SecondOrder second = SecondOrder::midpoint, double eta_ = 0) {
    order = order_;
    integrand = integrand_;
    second_order = second;
    eta = eta_;
  }
};

double gain(const NoiseLevel& l) { return l.alpha * kVariance / variance_at(l); }
double lambda(const NoiseLevel& l) { return std::log(l.alpha / l.sigma); }

// The coefficients of the start and of each step's noise after DPM++ 2M (SDE), as k-diffusion writes its steps.
std::vector<double> coefficients(const std::vector<Step>& list, double eta, bool heun) {
  std::vector<double> x(list.size() + 1, 0.0), old;
  x[0] = 1;
  double h_last = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto& [s, t] = list[i];
    const double h = lambda(t) - lambda(s), k = (1 + eta) * h;
    std::vector<double> denoised(x);
    for (double& v : denoised) v *= gain(s);
    for (std::size_t j = 0; j < x.size(); ++j) {
      x[j] = t.sigma / s.sigma * std::exp(-eta * h) * x[j] + t.alpha * (1 - std::exp(-k)) * denoised[j];
      if (!old.empty()) {
        const double r = h_last / h, slope = (denoised[j] - old[j]) / r;
        x[j] += t.alpha * (heun ? (1 - std::exp(-k)) / -k + 1 : 0.5 * (1 - std::exp(-k))) * slope;
      }
    }
    x[i + 1] += t.sigma * std::sqrt(1 - std::exp(-2 * eta * h));
    old = denoised;
    h_last = h;
  }
  return x;
}

double squares(const std::vector<double>& c, double first) {
  double sum = c[0] * c[0] * first;
  for (std::size_t i = 1; i < c.size(); ++i) sum += c[i] * c[i];
  return sum;
}

}  // namespace

TEST_CASE("dpm_multistep: order 2 is DPM++ 2M, and with eta its SDE: the coefficients of the start and of every noise") {
  const auto list = uneven_steps(20);
  for (const double eta : {0.0, 0.5, 1.0}) {
    for (const SecondOrder second : {SecondOrder::midpoint, SecondOrder::heun}) {
      const Tensor x = sample_dpm_multistep(exact, unit_start(20), list, unit_noise(), Own(2, Integrand::x0, second, eta));
      const auto expected = coefficients(list, eta, second == SecondOrder::heun);
      for (std::size_t j = 0; j < expected.size(); ++j) CHECK(item(x, j) == Approx(expected[j]).margin(2e-6));
    }
  }
}

TEST_CASE("dpm_multistep: the variance of the SDE's samples comes to that of the data") {
  for (const Integrand integrand : {Integrand::x0, Integrand::eps}) {
    for (const int order : {1, 2, 3}) {
      const auto list = uneven_steps(400);
      const Own own(order, integrand, SecondOrder::heun, 1);
      const Tensor x = sample_dpm_multistep(exact, unit_start(400), list, unit_noise(), own);
      std::vector<double> c;
      for (std::size_t j = 0; j <= 400; ++j) c.push_back(item(x, j));
      INFO("order " << order << ", " << (integrand == Integrand::x0 ? "x0" : "eps"));
      CHECK(squares(c, variance_at(list.front().from)) == Approx(variance_at(list.back().to)).epsilon(order == 1 ? 0.02 : 1e-3));
    }
  }
}

TEST_CASE("dpm_multistep: a step to sigma = 0 gives alpha x0 exactly, one from alpha = 0 begins there") {
  std::vector<NoiseLevel> levels{{9, 0, 1}, {5, 0.6, 0.8}, {2, 0.8, 0.6}, {0, 1, 0}};
  for (const Integrand integrand : {Integrand::x0, Integrand::eps}) {
    for (const double eta : {0.0, 1.0}) {
      Tensor last;
      Own own(3, integrand, SecondOrder::heun, eta);
      own.on_step = [&](const StepReport& r) {
        if (r.step + 1 == r.steps) last = r.x0();
      };
      const Tensor x = sample_dpm_multistep(exact, Tensor::full({1, 4}, 2), steps(levels), philox_noise(1), own);
      CHECK(std::ranges::equal(x.values(), last.values()));
      own.on_step = {};
      const auto first = steps(std::span(levels).first(2));
      const Tensor y = sample_dpm_multistep(exact, Tensor::full({1, 1}, 2), first, unit_noise(), own);
      CHECK(item(y) == Approx(eta == 0 ? 0.8 * 2 : 0.0));  // x0 = 0 and eps = 2 there
    }
  }
}

TEST_CASE("dpm_multistep: lower orders at the end of short lists") {
  const auto list = uneven_steps(6);
  const auto run = [&](bool lower, bool euler) {
    Own own(3, Integrand::x0, SecondOrder::heun);
    own.lower_order_final = lower;
    own.euler_at_final = euler;
    return item(sample_dpm_multistep(exact, Tensor::full({1, 1}, 1), list, philox_noise(0), own));
  };
  const auto mixed = [&](int before_last, int last) {  // the orders of the last two steps by hand, from the exact recursion's x
    std::vector<double> xs{1}, m;
    for (std::size_t i = 0; i < 6; ++i) {
      const auto& [s, t] = list[i];
      const int order = std::min({static_cast<int>(i) + 1, 3, i == 5 ? last : i == 4 ? before_last : 3});
      const double h = lambda(t) - lambda(s), p1 = -std::expm1(-h), p2 = 1 - p1 / h, p3 = 0.5 - p2 / h;
      m.push_back(gain(s) * xs.back());
      double value = t.sigma / s.sigma * xs.back() + t.alpha * p1 * m[i];
      if (order > 1) {
        const double a = lambda(list[i - 1].from) - lambda(s), slope = (m[i - 1] - m[i]) / a;
        double curvature = 0;
        if (order > 2) {
          const double b = lambda(list[i - 2].from) - lambda(s);
          curvature = ((m[i - 2] - m[i]) / b - slope) / (b - a);
        }
        value += t.alpha * (p2 * h * (slope - a * curvature) + 2 * p3 * h * h * curvature);
      }
      xs.push_back(value);
    }
    return xs.back();
  };
  CHECK(run(true, false) == Approx(mixed(2, 1)).epsilon(1e-6));
  CHECK(run(false, false) == Approx(mixed(3, 3)).epsilon(1e-6));
  CHECK(run(false, true) == Approx(mixed(3, 1)).epsilon(1e-6));
  CHECK(std::abs(mixed(2, 1) - mixed(3, 3)) > 1e-4);
  CHECK(std::abs(mixed(3, 1) - mixed(3, 3)) > 1e-4);
}

TEST_CASE("dpm_multistep: inversion leads back, from sigma = 0 too") {
  std::vector<NoiseLevel> levels;
  for (int i = 0; i <= 400; ++i) {
    const double ratio = std::exp(1.5 - 8.5 * i / 400);
    levels.push_back({400.0 - i, 1 / std::hypot(1.0, ratio), ratio / std::hypot(1.0, ratio)});
  }
  levels.push_back({0, 1, 0});
  const auto list = steps(levels);
  std::vector<Step> back;
  for (auto i = list.rbegin(); i != list.rend(); ++i) back.push_back({i->to, i->from});
  const Tensor x = Tensor::full({1, 1}, 0.7f);
  for (const Integrand integrand : {Integrand::x0, Integrand::eps}) {
    const Tensor noisy = invert_dpm_multistep(exact, x, back, Own(2, integrand));
    CHECK(item(sample_dpm_multistep(exact, noisy, list, philox_noise(0), Own(2, integrand))) == Approx(0.7).epsilon(2e-3));
  }
  const Own noisy(2, Integrand::x0, SecondOrder::heun, 1);
  CHECK_THROWS_WITH(invert_dpm_multistep(exact, x, back, noisy), Catch::Contains("eta must be 0"));
  CHECK_THROWS_WITH(invert_dpm_multistep(exact, x, list), Catch::Contains("clean to noisy"));
}

TEST_CASE("dpm_multistep: wrong options are refused") {
  const auto list = uneven_steps(3);
  const Tensor x = Tensor::full({1, 1}, 1);
  CHECK_THROWS_WITH(sample_dpm_multistep(exact, x, list, philox_noise(0), Own(4)), Catch::Contains("1, 2 or 3, got 4"));
  CHECK_THROWS_WITH(sample_dpm_multistep(exact, x, list, philox_noise(0), Own(0)), Catch::Contains("got 0"));
  CHECK_THROWS_WITH(sample_dpm_multistep(exact, x, list, philox_noise(0), Own(2, Integrand::x0, SecondOrder::heun, -1)),
                    Catch::Contains("eta"));
  CHECK_THROWS_AS(sample_dpm_multistep(exact, x, {}, philox_noise(0)), Error);
}
