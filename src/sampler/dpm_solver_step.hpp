// Single steps of DPM-Solver, of orders 1 to 3, for one level or one a sample.
//
// With y = x / alpha, r = sigma / alpha, lambda = -ln r, h = lambda' - lambda, s1 and s2 at lambda + r1 h and lambda + r2 h,
// e(h) = e^h - 1, f(h) = e(h) / h - 1:
//   1: y' = y - r' e(h) eps                                                                      [Lu2022, Eq. 3.7]
//   2: u1 = y - r_s1 e(r1 h) eps;  y' = y - r' e(h) eps - r' / (2 r1) e(h) (eps_1 - eps)          [Lu2022, Alg. 1]
//   3: u2 = y - r_s2 e(r2 h) eps - r_s2 (r2 / r1) f(r2 h) (eps_1 - eps)
//      y' = y - r' e(h) eps - r' / r2 f(h) (eps_2 - eps)                                         [Lu2022, Alg. 2]
// (Alg. 1 is r1 = 1/2, Alg. 2 is r1 = 1/3, r2 = 2/3.) eps, eps_1, eps_2 stand at (y, r), (u1, r_s1), (u2, r_s2). Orders that
// share a point share its evaluation.
#pragma once

#include "sampler/log_snr.hpp"

namespace eddy::inline v0_1 {

class DpmSolverStep {
 public:
  // y at lambdas, one for all or one a sample.
  DpmSolverStep(const char* sampler, const Denoiser& denoise, const StochasticOptions& options, const LevelAt& level_at, Tensor y,
                std::vector<double> lambdas);
  // y at `to`, as many lambdas; r1 of order 2. Order 3 has r1 = 1/3 and r2 = 2/3. A sample whose h is 0 stays as it is.
  Tensor advanced(int order, std::span<const double> to, double r1);
  const Tensor& x0() const { return x0_; }

 private:
  Tensor eps_at(const Tensor& y, std::span<const double> lambdas, Tensor* x0);
  // y plus, for each of the lambdas at + part h, factor(h, r there) times z.
  template <class F>
  Tensor plus(const Tensor& y, std::span<const double> to, double part, const Tensor& z, const F& factor) const;
  std::vector<double> between(std::span<const double> to, double part) const;

  const char* sampler_;
  const Denoiser& denoise_;
  const StochasticOptions& options_;
  const LevelAt& level_at_;
  Tensor y_, x0_, eps_, eps_1_;
  std::vector<double> lambdas_;
};

}  // namespace eddy::inline v0_1
