// DPM-Solver++(2M) for the SDE, as k-diffusion has it: exponential integrators with noise, second order by the x0 before.
//
//   lambda = ln(alpha / sigma), h = lambda' - lambda, h_1 that of the step before, g = (1 + eta) h
//   x' = (sigma' / sigma) e^(-eta h) x + alpha' (1 - e^-g) x0 + sigma' sqrt(1 - e^(-2 eta h)) s_noise z          [Lu2022b, 5]
//   midpoint: + alpha' (1 - e^-g) / 2 (h / h_1) (x0 - x0_1)                                  at eta = 0 [Lu2022b, Alg. 2]
//   heun:     + alpha' (1 - (1 - e^-g) / g) (h / h_1) (x0 - x0_1)
//
// z is what lies between the two levels of one Brownian path. A step to sigma = 0 takes alpha' x0.
#include <cmath>

#include "sampler/log_snr.hpp"

namespace eddy::inline v0_1 {

Tensor sample_dpmpp_2m_sde(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                           const Dpmpp2mSdeOptions& options) {
  const char* const name = "sample_dpmpp_2m_sde";
  check_stochastic(name, steps, options);
  if (has_no_values(name, x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  const BrownianNoise brownian(noise, steps, options);
  Tensor x0_1;
  double h_1 = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& [from, to] = steps[i];
    const Tensor x0 = clipped(predicted_x0(name, denoise, x, {&from, 1}), options.clip);
    const double h = to.sigma > 0 ? std::log(ratio(from) / ratio(to)) : 0;
    if (to.sigma == 0) {
      x = affine(x0, to.alpha);
    } else if (h > 0) {
      const double g = (1 + options.eta) * h, rest = -std::expm1(-g);
      x = combine(to.sigma / from.sigma * std::exp(-options.eta * h), x, to.alpha * rest, x0);
      if (h_1 > 0) {
        const bool midpoint = options.correction == Dpmpp2mSdeOptions::Correction::midpoint;
        const double c = to.alpha * (midpoint ? 0.5 * rest : 1 - rest / g) * h / h_1;
        x = combine(1, x, c, sub(x0, x0_1));
      }
      const double deviation = to.sigma * std::sqrt(-std::expm1(-2 * options.eta * h)) * options.s_noise;
      if (deviation > 0) x = combine(1, x, deviation, brownian.between(x, i, 0, ratio(from), ratio(to)));
    }
    x0_1 = x0;
    h_1 = h;
    report(name, options, i, steps, x, [&] { return x0; });
  }
  return x;
}

}  // namespace eddy::inline v0_1
