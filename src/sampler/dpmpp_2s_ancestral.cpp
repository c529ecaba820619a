// DPM-Solver++(2S) with ancestral steps, as k-diffusion has it.
//
//   (down, up) of r -> r', r = sigma / alpha:  down^2 + up^2 = r'^2                            [Song2021, Eq. 16]
//   r_s = sqrt(r down)                         the middle in ln r
//   u   = alpha_s ((r_s / r) x / alpha + (1 - r_s / r) x0(x))                                  [Lu2022b, Alg. 1]
//   x'  = alpha' ((down / r) x / alpha + (1 - down / r) x0(u) + up s_noise z)
//
// A step to down = 0 takes x0(x) in one evaluation.
#include <cmath>

#include "sampler/log_snr.hpp"

namespace eddy::inline v0_1 {

Tensor sample_dpmpp_2s_ancestral(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                                 const Dpmpp2sOptions& options) {
  const char* const name = "sample_dpmpp_2s_ancestral";
  check_stochastic(name, steps, options);
  if (has_no_values(name, x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& [from, to] = steps[i];
    const AncestralStep step = ancestral_step(ratio(from), ratio(to), options.eta);
    const Tensor x0 = clipped(predicted_x0(name, denoise, x, {&from, 1}), options.clip);
    Tensor second = x0;
    if (step.down > 0) {
      const NoiseLevel middle = level_of(name, options.level_at, std::sqrt(ratio(from) * step.down));
      const Tensor u = first_order(x, x0, from, middle, ratio(middle));
      second = clipped(predicted_x0(name, denoise, u, {&middle, 1}), options.clip);
    }
    x = first_order(x, second, from, to, step.down);
    if (const double deviation = to.alpha * step.up * options.s_noise; deviation > 0) {
      x = combine(1, x, deviation, noise.normal(x.shape(), {kStepNoise, i}, x.context()));
    }
    report(name, options, i, steps, x, [&] { return x0; });
  }
  return x;
}

}  // namespace eddy::inline v0_1
