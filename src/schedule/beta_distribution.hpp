// The quantiles of Beta(a, b).
#pragma once

namespace eddy::inline v0_1 {

// With more, the continued fraction would need more terms: they grow as the root of a and b.
constexpr double kLargestBetaShape = 1e4;

// x with I_x(a, b) = p, p in [0, 1]; a, b > 0, at most kLargestBetaShape.
double beta_quantile(double p, double a, double b);

}  // namespace eddy::inline v0_1
