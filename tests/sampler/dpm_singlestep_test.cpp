#include "solver_case.hpp"
#include "support/catch.hpp"

using namespace eddy;
using namespace eddy::test;

namespace {

DpmSinglestepOptions own(int order, Integrand integrand = Integrand::x0, double eta = 0, SecondOrder second = SecondOrder::heun) {
  DpmSinglestepOptions options;
  options.order = order;
  options.integrand = integrand;
  options.eta = eta;
  options.second_order = second;
  return options;
}

double gain(const NoiseLevel& l) { return l.alpha * kVariance / variance_at(l); }
double lambda(const NoiseLevel& l) { return std::log(l.alpha / l.sigma); }

}  // namespace

TEST_CASE("dpm_singlestep: the orders of its steps") {
  using List = std::vector<int>;
  CHECK(singlestep_orders(6, 3) == List{1, 2, 3, 1, 2, 1});
  CHECK(singlestep_orders(7, 3) == List{1, 2, 3, 1, 2, 3, 1});
  CHECK(singlestep_orders(8, 3) == List{1, 2, 3, 1, 2, 3, 1, 2});
  CHECK(singlestep_orders(6, 2) == List{1, 2, 1, 2, 1, 1});
  CHECK(singlestep_orders(5, 2) == List{1, 2, 1, 2, 1});
  CHECK(singlestep_orders(2, 1) == List{1, 1});
  CHECK(singlestep_orders(6, 3, false) == List{1, 2, 3, 1, 2, 3});
  CHECK_THROWS_WITH(singlestep_orders(7, 3, false), Catch::Contains("multiple of the order 3, got 7"));
  CHECK_THROWS_WITH(singlestep_orders(0, 3), Catch::Contains("at least one"));
  CHECK_THROWS_WITH(singlestep_orders(6, 4), Catch::Contains("1, 2 or 3"));
}

TEST_CASE("dpm_singlestep: two steps of order 2 as the paper writes them, with the noise of the second alone") {
  const auto list = uneven_steps(2);
  const auto& a = list[0].from;
  const auto& b = list[0].to;
  const auto& c = list[1].to;
  for (const double eta : {0.0, 1.0}) {
    for (const SecondOrder second : {SecondOrder::midpoint, SecondOrder::heun}) {
      auto options = own(2, Integrand::x0, eta, second);
      options.lower_order_final = false;
      const Tensor x = sample_dpm_singlestep(exact, unit_start(2), list, unit_noise(), options);
      const double h1 = lambda(b) - lambda(a), h = lambda(c) - lambda(a), k = (1 + eta) * h;
      for (std::size_t j = 0; j < 3; ++j) {
        const double start = j == 0, z1 = j == 1, z2 = j == 2;
        const double u = b.sigma / a.sigma * std::exp(-eta * h1) * start -
                         b.alpha * std::expm1(-(1 + eta) * h1) * gain(a) * start +
                         b.sigma * std::sqrt(1 - std::exp(-2 * eta * h1)) * z1;
        const double slope = (gain(b) * u - gain(a) * start) * h / h1;
        const double weight = second == SecondOrder::midpoint ? -std::expm1(-k) / 2 : 1 + std::expm1(-k) / k;
        const double expected = c.sigma / a.sigma * std::exp(-eta * h) * start - c.alpha * std::expm1(-k) * gain(a) * start +
                                c.alpha * weight * slope +
                                c.sigma * std::sqrt(1 - std::exp(-2 * eta * h)) * z2;
        CHECK(item(x, j) == Approx(expected).margin(1e-6));
      }
    }
  }
}

TEST_CASE("dpm_singlestep: the variance of the SDE's samples comes to that of the data") {
  for (const int order : {1, 2, 3}) {
    const auto list = uneven_steps(600);
    const Tensor x = sample_dpm_singlestep(exact, unit_start(600), list, unit_noise(), own(order, Integrand::x0, 1));
    double sum = std::pow(item(x), 2) * variance_at(list.front().from);
    for (std::size_t j = 1; j <= 600; ++j) sum += std::pow(item(x, j), 2);
    INFO("order " << order);
    CHECK(sum == Approx(variance_at(list.back().to)).epsilon(0.02));
  }
}

TEST_CASE("dpm_singlestep: a step to sigma = 0 gives alpha x0 exactly, in the middle of a block too") {
  for (const int n : {3, 4, 5, 6}) {
    auto list = uneven_steps(n);
    list.back().to = {0, 1, 0};
    for (const Integrand integrand : {Integrand::x0, Integrand::eps}) {
      for (const double eta : {0.0, 1.0}) {
        Tensor last;
        auto options = own(3, integrand, eta);
        options.on_step = [&](const StepReport& r) { last = r.x0(); };
        const Tensor x = sample_dpm_singlestep(exact, Tensor::full({1, 1}, 2), list, philox_noise(1), options);
        CHECK(item(x) == item(last));
      }
    }
  }
}

TEST_CASE("dpm_singlestep: wrong options are refused") {
  const auto list = uneven_steps(3);
  const Tensor x = Tensor::full({1, 1}, 1);
  CHECK_THROWS_WITH(sample_dpm_singlestep(exact, x, list, philox_noise(0), own(4)), Catch::Contains("order must be 1, 2 or 3"));
  CHECK_THROWS_WITH(sample_dpm_singlestep(exact, x, list, philox_noise(0), own(2, Integrand::x0, -1)), Catch::Contains("eta"));
  auto options = own(2);
  options.lower_order_final = false;
  CHECK_THROWS_WITH(sample_dpm_singlestep(exact, x, list, philox_noise(0), options), Catch::Contains("multiple of the order"));
}
