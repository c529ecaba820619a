// Steps of exponential integrators; the equations stand in the header.
#include "sampler/exponential.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

double half_log_snr(const NoiseLevel& level) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (level.sigma == 0) return kInfinity;
  return level.alpha == 0 ? -kInfinity : std::log(level.alpha) - std::log(level.sigma);
}

// Near 0 the recurrence divides what is left of a difference; there the series sum_j z^j / (j + k)! has no cancellation.
double phi(int k, double z) {
  double factorial = 1;
  if (std::abs(z) < 1) {
    for (int i = 2; i <= k; ++i) factorial *= i;
    double term = 1 / factorial, sum = term;
    for (int j = 1; j < 20; ++j) sum += term *= z / (j + k);
    return sum;
  }
  if (k == 0) return std::exp(z);
  double value = std::expm1(z) / z;
  for (int i = 1; i < k; ++i) value = (value - 1 / (factorial *= i)) / z;
  return value;
}

ExponentialStep::ExponentialStep(Integrand integrand, double eta, const NoiseLevel& from, const NoiseLevel& to)
    : h_(half_log_snr(to) - half_log_snr(from)), of_x_(0), of_x0_(to.alpha), of_eps_(0), of_noise_(0), scale_(0), argument_(0) {
  if (jumps()) {
    (eta > 0 ? of_noise_ : of_eps_) = to.sigma;
  } else if (integrand == Integrand::x0) {
    of_x_ = to.sigma / from.sigma * std::exp(-eta * h_);
    of_eps_ = to.sigma * std::exp(-eta * h_);
    scale_ = -to.alpha;
    argument_ = -(1 + eta) * h_;
    of_noise_ = eta > 0 ? to.sigma * std::sqrt(std::max(0.0, -std::expm1(-2 * eta * h_))) : 0;
  } else {
    of_x_ = to.alpha / from.alpha;
    of_eps_ = to.sigma * (1 - eta * std::expm1(h_));
    scale_ = -(1 + eta) * to.sigma;
    argument_ = h_;
    of_noise_ = eta > 0 ? to.sigma * std::sqrt(std::max(0.0, eta * std::expm1(2 * h_))) : 0;
  }
}

Tensor sum_of(std::span<const Term> terms) {
  std::vector<double> sum(terms[0].of.values().size(), 0.0);
  for (const Term& term : terms) {
    if (term.factor == 0) continue;
    if (term.of.shape() != terms[0].of.shape()) {
      throw Error("sum_of: all terms must have one shape, got " + to_string(terms[0].of.shape()) + " and " +
                  to_string(term.of.shape()));
    }
    const std::span<const float> values = term.of.values();
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += term.factor * static_cast<double>(values[i]);
  }
  Tensor result = Tensor::uninitialised(terms[0].of.shape(), DType::f32, terms[0].of.context());
  const std::span<float> out = result.mutable_values();
  for (std::size_t i = 0; i < sum.size(); ++i) out[i] = static_cast<float>(sum[i]);
  return result;
}

Tensor stepped(const ExponentialStep& step, const Prediction& begin, std::span<const double> weights,
               std::span<const Seen> values, const Tensor& z) {
  std::vector<Term> terms{{step.of_x0(), begin.x0}, {step.of_eps(), begin.eps}};
  for (std::size_t j = 0; j < weights.size(); ++j) terms.push_back({weights[j], values[j].m});
  if (step.of_noise() > 0) terms.push_back({step.of_noise(), z});
  return sum_of(terms);
}

int distinct(std::span<const Seen> values, int order) {
  int n = 0;
  for (; n < order && n < static_cast<int>(values.size()); ++n) {
    const double at = values[static_cast<std::size_t>(n)].lambda;
    if (!std::isfinite(at)) break;
    bool known = false;
    for (int j = 0; j < n; ++j) known = known || values[static_cast<std::size_t>(j)].lambda == at;
    if (known) break;
  }
  return std::max(n, 1);
}

// f[0,a] = (m_a - m_0) / a,  f[0,b] likewise,  f[0,a,b] = (f[0,b] - f[0,a]) / (b - a);  slope = f[0,a] - a f[0,a,b]
Polynomial interpolate(std::span<const Seen> v, int order) {
  if (order == 1) return {{0}, {0}};
  const double a = v[1].lambda - v[0].lambda;
  if (order == 2) return {{-1 / a, 1 / a}, {0, 0}};
  const double b = v[2].lambda - v[0].lambda;
  const std::vector<double> curvature{1 / (a * b), -1 / (a * (b - a)), 1 / (b * (b - a))};
  return {{-1 / a - a * curvature[0], 1 / a - a * curvature[1], -a * curvature[2]}, curvature};
}

}  // namespace eddy::inline v0_1
