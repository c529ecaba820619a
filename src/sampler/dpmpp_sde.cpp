// DPM-Solver++ for the SDE in two stages, as k-diffusion has it; diffusers' DPMSolverSDEScheduler is r = 1/2, eta = 1.
//
//   lambda = ln(alpha / sigma), h = lambda' - lambda, s: the level at lambda + r h, q = sigma / alpha
//   u  = alpha_s ((d_s / q) x / alpha + (1 - d_s / q) x0(x) + p_s s_noise z(q, q_s))
//   D  = (1 - 1 / (2 r)) x0(x) + 1 / (2 r) x0(u)                                               [Lu2022b, Alg. 1]
//   x' = alpha' ((d / q) x / alpha + (1 - d / q) D + p s_noise z(q, q'))
//
// (d_s, p_s) and (d, p) are the ancestral steps q -> q_s and q -> q' [Song2021, Eq. 16]; z(a, b) is what lies between two
// levels of one Brownian path, so both stages share it. A step to sigma = 0 takes x0(x) in one evaluation.
#include <cmath>
#include <string>

#include "eddy/error.hpp"
#include "sampler/log_snr.hpp"

namespace eddy::inline v0_1 {

Tensor sample_dpmpp_sde(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                        const DpmppSdeOptions& options) {
  const char* const name = "sample_dpmpp_sde";
  check_stochastic(name, steps, options);
  if (!(options.r > 0 && options.r <= 1)) {
    throw Error("sample_dpmpp_sde: r must be in (0, 1], got " + std::to_string(options.r));
  }
  if (has_no_values(name, x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  const BrownianNoise brownian(noise, steps, options);
  const double weight = 1 / (2 * options.r);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& [from, to] = steps[i];
    // One stage: x at from -> x at `level`, by what is known of x0.
    const auto stage = [&, start = from](std::uint32_t number, const Tensor& x0, const NoiseLevel& level) {
      const AncestralStep step = ancestral_step(ratio(start), ratio(level), options.eta);
      const Tensor moved = first_order(x, x0, start, level, step.down);
      const double deviation = level.alpha * step.up * options.s_noise;
      if (deviation == 0) return moved;
      return combine(1, moved, deviation, brownian.between(x, i, number, ratio(start), ratio(level)));
    };
    const Tensor x0 = clipped(predicted_x0(name, denoise, x, {&from, 1}), options.clip);
    Tensor mixed = x0;
    if (to.sigma > 0) {
      const double between = std::pow(ratio(from), 1 - options.r) * std::pow(ratio(to), options.r);
      const NoiseLevel middle = level_of(name, options.level_at, between);
      const Tensor second = clipped(predicted_x0(name, denoise, stage(0, x0, middle), {&middle, 1}), options.clip);
      mixed = weight == 1 ? second : combine(1 - weight, x0, weight, second);
    }
    x = stage(1, mixed, to);
    report(name, options, i, steps, x, [&] { return x0; });
  }
  return x;
}

}  // namespace eddy::inline v0_1
