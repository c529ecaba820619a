// Terms of the variational bound.
//
//   ln w = (1 + v) / 2 ln beta + (1 - v) / 2 ln beta~                                     [Nichol2021, Eq. 15]
//   t > 0:  KL(N(mu~, beta~) || N(mu, w)) = ((mu~ - mu)^2 + beta~) / (2 w) - 1/2 + (ln w - ln beta~) / 2
//   t = 0:  -ln of the mass that N(mu, w) gives to x0's interval of 8 bits (ends reach to infinity) [Ho2020, Eq. 13],
//           or of its density at x0
//
// beta~ of t = 0 is 0; its logarithm is taken from t = 1, as iDDPM does. The normal's distribution function is exact
// here, where iDDPM takes a tanh near it.
#include "train/bound_term.hpp"

#include <cmath>

namespace eddy::inline v0_1 {

namespace {

using Value = BoundTerm::Value;  // slope: in ln w

Value divergence(double difference, double small, double log_small, double log_w) {
  const double part = (difference * difference + small) * std::exp(-log_w) / 2;
  return {part - 0.5 + (log_w - log_small) / 2, 0.5 - part};
}

Value density(double difference, double log_w) {
  const double part = difference * difference * std::exp(-log_w) / 2;
  return {part + (log_w + std::log(2 * 3.14159265358979323846)) / 2, 0.5 - part};
}

Value eight_bit_mass(double x0, double mean, double log_w) {
  const double inverse = std::exp(-log_w / 2);
  const auto cdf = [](double z) { return std::erfc(-z / std::sqrt(2.0)) / 2; };
  const auto pdf = [](double z) { return std::exp(-z * z / 2) / std::sqrt(2 * 3.14159265358979323846); };
  const bool low = x0 < -0.999, high = x0 > 0.999;
  const double below = (x0 - 1.0 / 255 - mean) * inverse, above = (x0 + 1.0 / 255 - mean) * inverse;
  // Tails are taken on the side where the function is small.
  const double mass = low ? cdf(above) : high ? cdf(-below) : below > 0 ? cdf(-below) - cdf(-above) : cdf(above) - cdf(below);
  if (mass < 1e-12) return {-std::log(1e-12), 0};
  const double slope = (low ? 0 : pdf(below) * below) - (high ? 0 : pdf(above) * above);  // of the mass in ln(1/sqrt w), negated
  return {-std::log(mass), -slope / 2 / mass};
}

}  // namespace

BoundTerm::BoundTerm(const Schedule& s, int t) : first(t == 0) {
  const auto beta_small = [&s](int i) { return s.beta(i) * s.one_minus_alpha_bar(i - 1) / s.one_minus_alpha_bar(i); };
  const double before = t > 0 ? s.alpha_bar(t - 1) : 1, rest = t > 0 ? s.one_minus_alpha_bar(t - 1) : 0;
  of_x0 = std::sqrt(before) * s.beta(t) / s.one_minus_alpha_bar(t);
  of_x = std::sqrt(1 - s.beta(t)) * rest / s.one_minus_alpha_bar(t);
  small = beta_small(t > 0 ? t : 1);
  log_small = std::log(small);
  half_width = (std::log(s.beta(t)) - log_small) / 2;
}

Value BoundTerm::operator()(double x0, double x, double predicted_x0, double v, bool eight_bit) const {
  const double log_w = log_small + (1 + v) * half_width, mean = of_x0 * predicted_x0 + of_x * x;
  const Value in_log_w = !first      ? divergence(of_x0 * (x0 - predicted_x0), small, log_small, log_w)
                         : eight_bit ? eight_bit_mass(x0, mean, log_w)
                                     : density(x0 - mean, log_w);
  return {in_log_w.nats, in_log_w.slope * half_width};
}

}  // namespace eddy::inline v0_1
