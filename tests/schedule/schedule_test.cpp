#include "eddy/schedule.hpp"

#include <cmath>

#include "eddy/error.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace eddy;
using eddy::test::Golden;

namespace {

std::vector<double> betas_of(const std::string& name) {
  if (name == "linear") return linear_betas(1000, 1e-4, 0.02);
  if (name == "scaled_linear") return scaled_linear_betas(1000, 1e-4, 0.02);
  return cosine_betas(1000);
}

}  // namespace

TEST_CASE("schedules: our tables in double and diffusers' in float32") {
  const Golden golden("schedules");
  for (const std::string& name : std::vector<std::string> {"linear", "scaled_linear", "squaredcos_cap_v2"}) {
    for (const bool zero : {false, true}) {
      INFO(name << (zero ? " with zero terminal SNR" : ""));
      const Tensor expected = golden.tensor(name + (zero ? ".zero" : ".plain"));
      const Schedule as_diffusers = Schedule::diffusers(diffusers_betas(name, 1000, 1e-4, 0.02), zero);
      const Schedule ours(zero ? rescale_zero_terminal_snr(betas_of(name)) : betas_of(name));
      double worst = 0, worst_ours = 0;
      for (int t = 0; t < 1000; ++t) {
        const double e = static_cast<double>(expected.values()[static_cast<std::size_t>(t)]);
        if (e == 0) {
          CHECK(as_diffusers.alpha_bar(t) == 0);
          CHECK(ours.alpha_bar(t) < 1e-12);
          continue;
        }
        worst = std::max(worst, std::abs(as_diffusers.alpha_bar(t) / e - 1));
        // Near the zero end diffusers' own table is a difference of floats.
        if (!zero || e > 1e-3) worst_ours = std::max(worst_ours, std::abs(ours.alpha_bar(t) / e - 1));
      }
      CHECK(worst < 2.4e-7);
      CHECK(worst_ours < (zero ? 1e-4 : 2e-5));
    }
  }
}

TEST_CASE("schedules: views agree with each other") {
  for (const Schedule& s : {linear_schedule(1000), scaled_linear_schedule(1000), cosine_schedule(1000), sigmoid_schedule(1000)}) {
    long double product = 1;
    for (int t = 0; t < 1000; ++t) {
      product *= 1 - static_cast<long double>(s.beta(t));
      CHECK(std::abs(static_cast<double>(s.alpha_bar(t) / product - 1)) < 1e-12);
      const auto rest = static_cast<double>(1 - product);
      CHECK(std::abs(s.one_minus_alpha_bar(t) / rest - 1) < 1e-12);
      CHECK(s.alpha(t) * s.alpha(t) + s.sigma(t) * s.sigma(t) == Approx(1).margin(1e-12));
      CHECK(s.log_snr(t) == Approx(std::log(s.snr(t))).epsilon(1e-12));
      CHECK(s.ve_sigma(t) == Approx(s.sigma(t) / s.alpha(t)).epsilon(1e-12));
      if (t > 0) CHECK(s.alpha_bar(t) < s.alpha_bar(t - 1));
      CHECK(s.t_of_log_snr(s.log_snr(t)) == Approx(t).margin(1e-6));
    }
  }
}

TEST_CASE("schedules: between two entries log-SNR is linear") {
  const Schedule s = linear_schedule(1000);
  const NoiseLevel middle = s.level_at(499.5);
  CHECK(2 * std::log(middle.alpha / middle.sigma) == Approx((s.log_snr(499) + s.log_snr(500)) / 2));
  CHECK(s.level_at(7).alpha == Approx(s.alpha(7)).epsilon(1e-12));
  CHECK_THROWS_AS(s.level_at(999.5), Error);
}

TEST_CASE("schedules: zero terminal SNR keeps the first level") {
  const Schedule s = zero_terminal_snr(linear_schedule(1000));
  CHECK(s.alpha_bar(0) == Approx(1 - 1e-4).epsilon(1e-9));
  CHECK(s.snr(999) == 0);
}

TEST_CASE("schedules: betas out of range are named") {
  CHECK_THROWS_WITH(Schedule({0.1, 1.5}), Catch::Contains("1"));
  CHECK_THROWS_AS(Schedule({0.1, 1.0, 0.1}), Error);
  CHECK_THROWS_AS(linear_schedule(1000).level(1000), Error);
}

TEST_CASE("spacings: those of diffusers") {
  const Golden golden("schedules");
  const std::pair<const char*, Spacing> spacings[] = {
      {"linspace", Spacing::linspace}, {"leading", Spacing::leading}, {"trailing", Spacing::trailing}};
  for (const auto& [name, spacing] : spacings) {
    for (const int n : {1, 7, 10, 50, 333}) {
      INFO(name << " " << n);
      const Tensor expected = golden.tensor(std::string("timesteps.") + name + "." + std::to_string(n));
      const std::vector<int> ts = timesteps(1000, n, spacing);
      CHECK(std::ranges::equal(expected.integers(), ts));
    }
  }
  CHECK_THROWS_AS(timesteps(1000, 1001, Spacing::leading), Error);
}

TEST_CASE("schedules: diffusers' table takes what a table of our own takes") {
  const auto make = [](const std::vector<double>& betas, bool zero) { return Schedule::diffusers(betas, zero); };
  for (const bool zero : {false, true}) {
    CHECK_THROWS_WITH(make({}, zero), Catch::Contains("at least one beta"));
    CHECK_THROWS_WITH(make({-3, 0.1}, zero), Catch::Contains("beta 0"));
    CHECK_THROWS_WITH(make({0.1, 5}, zero), Catch::Contains("beta 1"));
    CHECK_THROWS_WITH(make({0.1, 1, 0.1}, zero), Catch::Contains("beta 1"));
    CHECK_THROWS_WITH(make({0.1, std::nan("")}, zero), Catch::Contains("beta 1"));
    CHECK(make({0.1, 1}, zero).snr(1) == 0);
  }
  CHECK_THROWS_WITH(make({0.1}, true), Catch::Contains("SNR 0"));
}

TEST_CASE("schedules: log-SNR of the Laplace schedule is that of its quantiles, and alpha-bar of diffusers' is the root") {
  const Schedule s(laplace_betas(1000, 0.5, 0.7));
  const double whole = std::exp(0.5 - 0.7 * std::log(1e-6));  // at u = 0, where alpha_bar is not quite 1
  for (const int t : {99, 499, 799}) {
    const double u = (t + 1) / 1000.0, side = u <= 0.5 ? 1 : -1;
    const double snr = std::exp(0.5 - 0.7 * side * std::log(1 - 2 * std::abs(0.5 - u) + 1e-6));
    CHECK(s.alpha_bar(t) == Approx(snr / (1 + snr) * (1 + whole) / whole).epsilon(1e-9));
  }
  const Schedule ours(laplace_betas(1000)), theirs(diffusers_betas("laplace", 1000, 0, 0));
  for (const int t : {99, 499, 799}) CHECK(theirs.alpha_bar(t) * theirs.alpha_bar(t) == Approx(ours.alpha_bar(t)).epsilon(1e-3));
  for (int t = 1; t < 1000; ++t) CHECK(s.beta(t) > 0);
}
