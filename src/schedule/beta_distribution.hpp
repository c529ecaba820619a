// The quantiles of Beta(a, b).
#pragma once

namespace eddy::inline v0_1 {

// x with I_x(a, b) = p, p in [0, 1]; a, b > 0.
double beta_quantile(double p, double a, double b);

}  // namespace eddy::inline v0_1
