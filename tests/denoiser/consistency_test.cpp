// The adapters of scores and consistency networks against their closed forms in double.
#include <cmath>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

double raw(double x, double t) { return std::tanh(x + 0.3 * t) + 0.1; }

const Network kNetwork = [](const Tensor& x, const Tensor& t, const Condition&) {
  Tensor y = x.clone();
  for (float& v : y.mutable_values()) v = static_cast<float>(raw(static_cast<double>(v), static_cast<double>(t.values()[0])));
  return y;
};

const double kX = 0.7;

Prediction call(const Denoiser& denoise, const NoiseLevel& l, double k = 1) {
  const NoiseLevel scaled{l.t, k * l.alpha, k * l.sigma};
  return denoise(Tensor::full({1, 1}, static_cast<float>(k * kX)), {&scaled, 1});
}

void check(const Denoiser& denoise, const NoiseLevel& l, double x0, double eps) {
  for (const double k : {1.0, 2.5}) {
    const Prediction p = call(denoise, l, k);
    CHECK(static_cast<double>(p.x0.item()) == Approx(x0).epsilon(2e-6));
    CHECK(static_cast<double>(p.eps.item()) == Approx(eps).epsilon(2e-6));
  }
}

}  // namespace

TEST_CASE("adapters: a score is -eps / sigma at alpha 1, wherever x stands") {
  for (const NoiseLevel& l : {NoiseLevel{0.4, 1, 3}, NoiseLevel{0.4, 0.6, 0.8}}) {
    const double x = kX / l.alpha, sigma = l.sigma / l.alpha, g = raw(x, 0.4);
    check(from_score(kNetwork), l, x + sigma * sigma * g, -sigma * g);
  }
  CHECK_THROWS_WITH(call(from_score(kNetwork), {0.4, 0, 1}), Catch::Contains("from_score: alpha must be above 0, got 0"));
  CHECK_THROWS_WITH(call(from_score(kNetwork), {0.4, 0, 0}), Catch::Contains("not both 0"));
}

TEST_CASE("adapters: a consistency network meets its boundary, and keeps alpha x0 + sigma eps") {
  const ConsistencyScale scale{0.4, 0.01};
  for (const NoiseLevel& l : {NoiseLevel{0.4, 1, 3}, NoiseLevel{0.4, 0.6, 0.8}}) {
    const double x = kX / l.alpha, sigma = l.sigma / l.alpha, u = sigma - 0.01;
    const double f = raw(x / std::hypot(sigma, 0.4), 0.4);
    const double x0 = 0.16 / (u * u + 0.16) * x + u * 0.4 / std::hypot(sigma, 0.4) * f;
    check(from_consistency(kNetwork, {}, scale), l, x0, (x - x0) / sigma);
  }
  CHECK(static_cast<double>(call(from_consistency(kNetwork, {}, scale), {0, 1, 0.01}).x0.item()) == Approx(kX));
  CHECK_THROWS_WITH(call(from_consistency(kNetwork), {0.4, 0, 1}), Catch::Contains("from_consistency: alpha must be above 0"));
  CHECK_THROWS_WITH(from_consistency(kNetwork, {}, {0, 0.002}), Catch::Contains("sigma_data"));
  CHECK_THROWS_WITH(from_consistency(kNetwork, {}, {0.5, -1}), Catch::Contains("sigma_min"));
}

TEST_CASE("adapters: TrigFlow is EDM's scaling with the sign turned") {
  const double s = 0.4, t = 0.9;
  const double f = raw(kX / s, t);
  const NoiseLevel l{t, std::cos(t), s * std::sin(t)};
  const double x0 = std::cos(t) * kX - s * std::sin(t) * f, eps = std::sin(t) * kX / s + std::cos(t) * f;
  check(from_edm(kNetwork, {}, {.sigma_data = s, .negative = true}), l, x0, eps);
  CHECK(l.alpha * x0 + l.sigma * eps == Approx(kX));
}
