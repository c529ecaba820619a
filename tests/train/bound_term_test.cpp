// A term of the variational bound in double, against the papers' formulas: nats, and by dual numbers their slope in v.
#include "train/bound_term.hpp"

#include "reference/dual.hpp"
#include "support/catch.hpp"

using namespace eddy;
using namespace eddy::test;

namespace {

constexpr double kPi = 3.14159265358979323846;

// 1 - alpha_bar after step t.
double rest(const Schedule& s, int t) { return t < 0 ? 0 : s.beta(t) + (1 - s.beta(t)) * rest(s, t - 1); }

// mu~(x, x0) of step t, and beta~ [Ho2020, Eq. 7].
double posterior_mean(const Schedule& s, int t, double x0, double x) {
  const double before = rest(s, t - 1);
  return (std::sqrt(1 - before) * s.beta(t) * x0 + std::sqrt(1 - s.beta(t)) * before * x) / rest(s, t);
}
double posterior_variance(const Schedule& s, int t) { return rest(s, t - 1) / rest(s, t) * s.beta(t); }

Dual density(double x, double mean, const Dual& variance) {
  return exp(Dual(-(x - mean) * (x - mean) / 2) / variance) / sqrt(Dual(2 * kPi) * variance);
}

// Simpson's rule, a thousand points a deviation.
Dual mass(double from, double to, double mean, const Dual& variance) {
  const int pieces = 2 * static_cast<int>(500 * (to - from) / std::sqrt(variance.value) + 1);
  const double h = (to - from) / pieces;
  Dual sum;
  for (int i = 0; i <= pieces; ++i) {
    const double weight = i == 0 || i == pieces ? 1 : i % 2 == 1 ? 4 : 2;
    sum += Dual(weight * h / 3) * density(from + i * h, mean, variance);
  }
  return sum;
}

Dual reference(const Schedule& s, int t, double x0, double x, double predicted, const Dual& v, bool eight_bit) {
  const double small = posterior_variance(s, t > 0 ? t : 1), mean = posterior_mean(s, t, predicted, x);
  const Dual half(0.5), w = exp(half * (Dual(1) + v) * Dual(std::log(s.beta(t))) + half * (Dual(1) - v) * Dual(std::log(small)));
  if (t > 0) {
    const double d = posterior_mean(s, t, x0, x) - mean;
    return half * log(w / Dual(small)) + Dual((small + d * d) / 2) / w - half;
  }
  if (!eight_bit) return -log(density(x0, mean, w));
  const double far = 40 * std::sqrt(w.value);
  return -log(mass(x0 == -1 ? mean - far : x0 - 1.0 / 255, x0 == 1 ? mean + far : x0 + 1.0 / 255, mean, w));
}

double relative(double got, double expected) { return std::abs(got - expected) / std::abs(expected); }

}  // namespace

TEST_CASE("variational bound: a term and its slope are the papers' to 1e-10") {
  for (const Schedule& s : {linear_schedule(1000), cosine_schedule(1000)}) {
    for (const int t : {0, 1, 30, 300}) {
      for (const double x0 : {-1.0, -0.2, 0.7, 1.0}) {
        for (const double v : {-0.7, 0.1, 0.9, 1.3}) {
          for (const bool eight_bit : {false, true}) {
            INFO("t " << t << " x0 " << x0 << " v " << v << " eight_bit " << eight_bit);
            const double x = 0.9 * x0 + 0.05, predicted = t > 0 ? 0.3 - 0.4 * x0 : 0.98 * x0 + 0.003;
            const BoundTerm::Value found = BoundTerm(s, t)(x0, x, predicted, v, eight_bit);
            const Dual expected = reference(s, t, x0, x, predicted, Dual(v, 1, 0, 0), eight_bit);
            CHECK(relative(found.nats, expected.value) <= 1e-10);
            CHECK(relative(found.slope, expected.slope) <= 1e-10);
          }
        }
      }
    }
  }
}

TEST_CASE("variational bound: where a level's mass vanishes the term stops, and so does its slope") {
  const BoundTerm::Value far = BoundTerm(linear_schedule(1000), 0)(0.5, 0.1, -0.5, 0, true);
  CHECK(far.nats == Approx(12 * std::log(10.0)));
  CHECK(far.slope == 0);
}
