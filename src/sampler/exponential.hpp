// What exponential integrators share: one step in lambda = ln(alpha / sigma), where the linear part of the ODE is exact.
//
//   phi_0(z) = e^z,  phi_{k+1}(z) = (phi_k(z) - 1 / k!) / z                                      [Hochbruck2010, 2.1]
//   h = lambda_t - lambda_s,  m' the derivative of m in lambda, all of them at s
//   m = x0    x_t = (sigma_t / sigma_s) e^(-eta h) x + alpha_t sum_k K phi_k(-K) h^(k-1) m^(k-1) + c z,
//             K = (1 + eta) h,  c = sigma_t sqrt(1 - e^(-2 eta h))                             [Lu2022b, 4.1 and 5]
//   m = eps   x_t = (alpha_t / alpha_s) x - (1 + eta) sigma_t sum_k h phi_k(h) h^(k-1) m^(k-1) + c z,
//             c = sigma_t sqrt(eta (e^(2h) - 1))                                       [Lu2022, 3.1; Lu2022b, 5]
//
// k = 1, 2, ...; eta = 0 is the ODE, eta = 1 the SDE of training. Methods differ in how they get the derivatives of m from its
// values. With x = alpha_s x0 + sigma_s eps, x and k = 1 together are DDIM's step, which loses no digits at small alpha_s or
// sigma_s:
//   m = x0    alpha_t x0 + sigma_t e^(-eta h) eps            m = eps   alpha_t x0 + sigma_t (1 - eta (e^h - 1)) eps
// Where h is infinite (sigma_t = 0, alpha_s = 0) only this has a limit: eps, or z in its place when eta > 0, gets sigma_t.
#pragma once

#include <cmath>
#include <vector>

#include "sampler/support.hpp"

namespace eddy::inline v0_1 {

// ln(alpha / sigma); infinite where one of them is 0.
double half_log_snr(const NoiseLevel& level);

double phi(int k, double z);  // k >= 0, z finite

class ExponentialStep {
 public:
  ExponentialStep(Integrand integrand, double eta, const NoiseLevel& from, const NoiseLevel& to);
  bool jumps() const { return !std::isfinite(h_); }  // where of_x, weights, scale and argument have no meaning
  double h() const { return h_; }
  double of_x() const { return of_x_; }
  double of_x0() const { return of_x0_; }    // with of_eps: in place of of_x and weight(1)
  double of_eps() const { return of_eps_; }
  double of_noise() const { return of_noise_; }
  // Of h^(k-1) times the (k-1)th derivative of the integrand, k >= 1.
  double weight(int k) const { return scale_ * argument_ * phi(k, argument_); }
  double scale() const { return scale_; }        // -alpha_t, or -(1 + eta) sigma_t
  double argument() const { return argument_; }  // of phi: -K or h

 private:
  double h_, of_x_, of_x0_, of_eps_, of_noise_, scale_, argument_;
};

// A value of the integrand and where it was seen.
struct Seen {
  double lambda;
  Tensor m;
};

// Sums in double, rounded once: the terms of a step can be much larger than what is left of them.
struct Term {
  double factor;
  Tensor of;
};
Tensor sum_of(std::span<const Term> terms);

// DDIM's step and the corrections of higher order, weights[j] values[j].m; z may be empty where of_noise is 0.
Tensor stepped(const ExponentialStep& step, const Prediction& begin, std::span<const double> weights,
               std::span<const Seen> values, const Tensor& z);

// The number of leading values, at most `order`, whose places are finite and distinct: those that can be interpolated.
int distinct(std::span<const Seen> values, int order);

// Divided differences: the slope at the first value's place of the polynomial through two or three, and its curvature
// (half the second derivative), as weights of the values.
struct Polynomial {
  std::vector<double> slope, curvature;
};
Polynomial interpolate(std::span<const Seen> values, int order);

}  // namespace eddy::inline v0_1
