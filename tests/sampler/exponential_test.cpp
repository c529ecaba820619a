#include "sampler/exponential.hpp"

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// phi_k(z) = integral over [0, 1] of e^{(1 - u) z} u^{k-1} / (k - 1)!, by Simpson's rule.
double phi_by_integral(int k, double z) {
  constexpr int n = 20000;
  double factorial = 1, sum = 0;
  for (int i = 2; i < k; ++i) factorial *= i;
  for (int i = 0; i <= n; ++i) {
    const double u = static_cast<double>(i) / n, f = std::exp((1 - u) * z) * std::pow(u, k - 1) / factorial;
    sum += f * (i == 0 || i == n ? 1 : i % 2 ? 4 : 2);
  }
  return sum / (3 * n);
}

}  // namespace

TEST_CASE("exponential integrators: phi is the integral that it stands for, for small, middling and large arguments") {
  for (const double z : {-30.0, -3.0, -1.0, -0.999999, -0.1, -1e-9, 0.0, 1e-9, 0.5, 0.999999, 1.0, 4.0}) {
    for (int k = 1; k <= 5; ++k) {
      INFO("k " << k << ", z " << z);
      CHECK(phi(k, z) == Approx(phi_by_integral(k, z)).epsilon(1e-10));
    }
  }
  CHECK(phi(0, -2) == std::exp(-2.0));
  CHECK(phi(0, 0.5) == Approx(std::exp(0.5)).epsilon(1e-15));
}

TEST_CASE("exponential integrators: weights of a step are integrals over lambda") {
  const NoiseLevel from{0, 0.6, 0.8}, to{0, 0.9, 0.3};
  const double h = half_log_snr(to) - half_log_snr(from);
  for (const double eta : {0.0, 1.0}) {
    const ExponentialStep data(Integrand::x0, eta, from, to), noise(Integrand::eps, eta, from, to);
    CHECK(data.h() == h);
    CHECK(data.of_x() == Approx(to.sigma / from.sigma * std::exp(-eta * h)));
    CHECK(noise.of_x() == Approx(to.alpha / from.alpha));
    // With m constant, x0 = m is left after the step in full: of_x alpha_s + weight(1) = alpha_t, and likewise for eps.
    CHECK(data.of_x() * from.alpha + data.weight(1) == Approx(to.alpha));
    if (eta == 0) CHECK(noise.of_x() * from.sigma + noise.weight(1) == Approx(to.sigma));
    // The variance of pure noise is kept by the SDE.
    const double kept = data.of_x() * data.of_x() * from.sigma * from.sigma + data.of_noise() * data.of_noise();
    CHECK(kept == Approx(to.sigma * to.sigma));
    CHECK((data.of_noise() > 0) == (eta > 0));
  }
}

TEST_CASE("exponential integrators: lambda is infinite at the ends, and values there are not interpolated") {
  CHECK(half_log_snr({0, 1, 0}) == kInfinity);
  CHECK(half_log_snr({0, 0, 1}) == -kInfinity);
  CHECK(ExponentialStep(Integrand::eps, 0, {0, 0, 1}, {0, 0.6, 0.8}).jumps());
  CHECK(ExponentialStep(Integrand::x0, 0, {0, 0.6, 0.8}, {0, 1, 0}).jumps());
  const auto at = [](double lambda) { return Seen{lambda, {}}; };
  CHECK(distinct(std::vector{at(1), at(0.5), at(0)}, 3) == 3);
  CHECK(distinct(std::vector{at(1), at(0.5), at(0)}, 2) == 2);
  CHECK(distinct(std::vector{at(1), at(-kInfinity), at(0)}, 3) == 1);
  CHECK(distinct(std::vector{at(1), at(0.5), at(1)}, 3) == 2);
  CHECK(distinct(std::vector{at(1)}, 3) == 1);
}

TEST_CASE("exponential integrators: slope and curvature of a parabola are exact") {
  const auto f = [](double x) { return 3 - 2 * x + 5 * x * x; };
  const std::vector<Seen> places{{0.5, {}}, {0.2, {}}, {-0.4, {}}};
  const Polynomial p = interpolate(places, 3);
  double slope = 0, curvature = 0;
  for (std::size_t j = 0; j < 3; ++j) {
    slope += p.slope[j] * f(places[j].lambda);
    curvature += p.curvature[j] * f(places[j].lambda);
  }
  CHECK(slope == Approx(-2 + 10 * 0.5));
  CHECK(curvature == Approx(5));
}
