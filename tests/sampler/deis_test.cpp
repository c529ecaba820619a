#include "solver_case.hpp"
#include "support/catch.hpp"

using namespace eddy;
using namespace eddy::test;

namespace {

DeisOptions own(int order, bool lower = false) {
  DeisOptions options;
  options.order = order;
  options.lower_order_final = lower;
  return options;
}

double rho(const NoiseLevel& l) { return l.sigma / l.alpha; }

// integral over rho from s to t of prod_{k != j} (ln rho - ln p_k) / (ln p_j - ln p_k), by Simpson's rule in ln rho.
double coefficient(double s, double t, const std::vector<double>& p, std::size_t j) {
  constexpr int n = 2000;
  double sum = 0;
  for (int i = 0; i <= n; ++i) {
    const double log = std::log(s) + (std::log(t) - std::log(s)) * i / n;
    double f = std::exp(log);
    for (std::size_t k = 0; k < p.size(); ++k) {
      if (k != j) f *= (log - std::log(p[k])) / (std::log(p[j]) - std::log(p[k]));
    }
    sum += f * (i == 0 || i == n ? 1 : i % 2 ? 4 : 2);
  }
  return sum * (std::log(t) - std::log(s)) / (3 * n);
}

}  // namespace

TEST_CASE("deis: its weights are the integrals of Lagrange's polynomials in ln rho") {
  const auto list = uneven_steps(8);
  for (const int order : {1, 2, 3}) {
    double x = 1;
    std::vector<double> eps, places;  // newest first
    for (const auto& [s, t] : list) {
      eps.insert(eps.begin(), s.sigma / variance_at(s) * x);
      places.insert(places.begin(), rho(s));
      const auto used = std::min<std::size_t>(static_cast<std::size_t>(order), places.size());
      const std::vector<double> p(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(used));
      double y = x / s.alpha;
      for (std::size_t j = 0; j < used; ++j) y += coefficient(rho(s), rho(t), p, j) * eps[j];
      x = t.alpha * y;
    }
    INFO("order " << order);
    CHECK(item(sample_deis(exact, Tensor::full({1, 1}, 1), list, own(order))) == Approx(x).epsilon(1e-6));
  }
}

TEST_CASE("deis: short lists end with lower orders, at sigma = 0 with x0") {
  const auto list = uneven_steps(6);
  const Tensor x = Tensor::full({1, 1}, 1);
  CHECK(std::abs(item(sample_deis(exact, x, list, own(3, true))) - item(sample_deis(exact, x, list, own(3, false)))) > 1e-4);
  CHECK(item(sample_deis(exact, x, list, own(1, true))) == item(sample_deis(exact, x, list, own(1, false))));
  auto closed = list;
  closed.back().to = {0, 1, 0};
  Tensor last;
  auto options = own(3);
  options.on_step = [&](const StepReport& r) { last = r.x0(); };
  const Tensor y = sample_deis(exact, x, closed, options);
  CHECK(item(y) == item(last));
}

TEST_CASE("deis: a limited x0 moves eps with it") {
  const auto list = uneven_steps(1);
  auto options = own(1);
  options.clip = {Clip::Kind::range, 0.1};
  const auto& [s, t] = list[0];
  const double eps = (2 - s.alpha * 0.1) / s.sigma;
  const double expected = t.alpha * (2 / s.alpha + (rho(t) - rho(s)) * eps);
  CHECK(item(sample_deis(exact, Tensor::full({1, 1}, 2), list, options)) == Approx(expected));
}

TEST_CASE("deis: wrong options are refused") {
  const auto list = uneven_steps(3);
  const Tensor x = Tensor::full({1, 1}, 1);
  CHECK_THROWS_WITH(sample_deis(exact, x, list, own(4)), Catch::Contains("sample_deis: order must be 1, 2 or 3"));
  CHECK_THROWS_AS(sample_deis(exact, x, {}, own(2)), Error);
}
