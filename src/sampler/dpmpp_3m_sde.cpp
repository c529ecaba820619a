// DPM-Solver++(3M) for the SDE, as k-diffusion has it: the multistep method of [Lu2022b, 5] with one x0 more, and noise.
//
//   lambda = ln(alpha / sigma), h = lambda' - lambda, h_1 and h_2 those before, g = (1 + eta) h
//   x'  = (sigma' / sigma) e^(-eta h) x + alpha' ((1 - e^-g) x0 + phi_2 D1 - 2 phi_3 D2)
//         + sigma' sqrt(1 - e^(-2 eta h)) s_noise z
//   phi_2 = 1 - (1 - e^-g) / g,  phi_3 = phi_2 / g - 1/2
//   E0 = (x0 - x0_1) h / h_1,  E1 = (x0_1 - x0_2) h / h_2,  r_0 = h_1 / h,  r_1 = h_2 / h
//   D2 = (E0 - E1) / (r_0 + r_1),  D1 = E0 + r_0 D2;   in the second step D1 = E0, D2 = 0
//
// D1 and D2 are h x0' and h^2 x0'' / 2 of the parabola in lambda; k-diffusion has phi_3 D2 (half_curvature), and order 2.
// z is what lies between the two levels of one Brownian path. A step to sigma = 0 takes alpha' x0.
#include <cmath>

#include "sampler/log_snr.hpp"

namespace eddy::inline v0_1 {

Tensor sample_dpmpp_3m_sde(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                           const Dpmpp3mSdeOptions& options) {
  const char* const name = "sample_dpmpp_3m_sde";
  check_stochastic(name, steps, options);
  if (has_no_values(name, x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  const BrownianNoise brownian(noise, steps, options);
  Tensor x0_1, x0_2;
  double h_1 = 0, h_2 = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& [from, to] = steps[i];
    const Tensor x0 = clipped(predicted_x0(name, denoise, x, {&from, 1}), options.clip);
    const double h = to.sigma > 0 ? std::log(ratio(from) / ratio(to)) : 0;
    if (to.sigma == 0) {
      x = affine(x0, to.alpha);
    } else if (h > 0) {
      const double g = (1 + options.eta) * h, rest = -std::expm1(-g), phi_2 = 1 - rest / g, phi_3 = phi_2 / g - 0.5;
      const double of_curvature = options.half_curvature ? phi_3 : 2 * phi_3;
      x = combine(to.sigma / from.sigma * std::exp(-options.eta * h), x, to.alpha * rest, x0);
      if (h_1 > 0) {
        const Tensor e0 = affine(sub(x0, x0_1), h / h_1);
        x = combine(1, x, to.alpha * phi_2, e0);
        if (h_2 > 0) {
          const double r_0 = h_1 / h, r_1 = h_2 / h;
          const Tensor change = combine(1, e0, -h / h_2, sub(x0_1, x0_2));
          x = combine(1, x, to.alpha * (phi_2 * r_0 - of_curvature) / (r_0 + r_1), change);
        }
      }
      const double deviation = to.sigma * std::sqrt(-std::expm1(-2 * options.eta * h)) * options.s_noise;
      if (deviation > 0) x = combine(1, x, deviation, brownian.between(x, i, 0, ratio(from), ratio(to)));
    }
    x0_2 = x0_1;
    h_2 = h_1;
    x0_1 = x0;
    h_1 = h;
    report(name, options, i, steps, x, [&] { return x0; });
  }
  return x;
}

}  // namespace eddy::inline v0_1
