// The distribution function of Beta(a, b), I_x(a, b), by its continued fraction, and its inverse by halving.
//
//   I_x(a, b) = x^a (1 - x)^b / (a B(a, b)) / (1 + d_1 / (1 + d_2 / (1 + ...)))              [Olver2010, 8.17.22]
//   d_2m     = m (b - m) x / ((a + 2m - 1) (a + 2m))
//   d_2m+1   = -(a + m) (a + b + m) x / ((a + 2m) (a + 2m + 1))
//
// It converges fast for x below (a + 1) / (a + b + 2); above, I_x(a, b) = 1 - I_{1-x}(b, a). std::lgamma writes a global on some
// systems, hence B by a product and Stirling's series.
#include "schedule/beta_distribution.hpp"

#include <cmath>

namespace eddy::inline v0_1 {

namespace {

// ln Gamma(z), z > 0: Stirling's series [Olver2010, 5.11.1] after shifting z to 12 and above, where its next term is below 3e-15.
double log_gamma(double z) {
  double product = 1;
  for (; z < 12; ++z) product *= z;
  const double r = 1 / (z * z);
  const double series = (1.0 / 12 - r * (1.0 / 360 - r * (1.0 / 1260 - r * (1.0 / 1680 - r / 1188)))) / z;
  return (z - 0.5) * std::log(z) - z + 0.91893853320467274178 + series - std::log(product);
}

// The continued fraction from its end; 100 terms are enough up to kLargestBetaShape.
double fraction(double x, double a, double b) {
  double value = 1;
  for (int m = 100; m >= 0; --m) {
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    value = 1 + odd / value;
    if (m > 0) value = 1 + m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)) / value;
  }
  return value;
}

double lower(double x, double a, double b, double log_beta) {
  return std::exp(a * std::log(x) + b * std::log1p(-x) - log_beta) / (a * fraction(x, a, b));
}

// The smaller half of the quantiles, by x, so that neither x nor 1 - x loses digits.
double small_quantile(double p, double a, double b, double log_beta) {
  double low = 0, high = (a + 1) / (a + b + 2);
  for (int i = 0; i < 200 && high - low > 4e-16 * high; ++i) {
    const double middle = (low + high) / 2;
    (lower(middle, a, b, log_beta) < p ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace

double beta_quantile(double p, double a, double b) {
  if (p <= 0) return 0;
  if (p >= 1) return 1;
  const double log_beta = log_gamma(a) + log_gamma(b) - log_gamma(a + b);
  if (p <= lower((a + 1) / (a + b + 2), a, b, log_beta)) return small_quantile(p, a, b, log_beta);
  return 1 - small_quantile(1 - p, b, a, log_beta);
}

}  // namespace eddy::inline v0_1
