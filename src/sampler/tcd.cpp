// TCD: trajectory consistency distillation, whose network jumps from any level of a path to any other.
//
//   s    = (1 - eta) t'                                                                      [Zheng2024]
//   x_s  = alpha_s x0 + sigma_s eps          the jump, x0 and eps at t
//   x_t' = (alpha_t' / alpha_s) x_s + sqrt(sigma_t'^2 - (alpha_t' sigma_s / alpha_s)^2) z,   z ~ N(0, I)
//
// t' is where the step leads. eta is the paper's gamma; at 0 this is DDIM.
#include <string>

#include "eddy/error.hpp"
#include "sampler/support.hpp"

namespace eddy::inline v0_1 {

Tensor sample_tcd(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                  const TcdOptions& options) {
  check_steps("sample_tcd", steps);
  if (!(options.eta >= 0) || options.eta > 1) {
    throw Error("sample_tcd: eta must be in [0, 1], got " + std::to_string(options.eta));
  }
  if (options.eta > 0 && !options.level) throw Error("sample_tcd: eta above 0 needs the option level, the level of a t");
  if (has_no_values("sample_tcd", x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& [from, to] = steps[i];
    NoiseLevel s = options.eta > 0 ? options.level((1 - options.eta) * to.t) : to;
    if (s.sigma * to.alpha > to.sigma * s.alpha) s = to;  // never noisier than the step's end
    const Prediction p = predicted("sample_tcd", denoise, x, {&from, 1});
    const Tensor x0 = clipped(p.x0, options.clip);
    x = combine(s.alpha, x0, s.sigma, p.eps);
    const bool noisier = s.sigma * to.alpha < to.sigma * s.alpha;
    if (noisier) x = add_noise_step(x, noise.normal(x.shape(), {kStepNoise, i}, x.context()), s, to);
    report("sample_tcd", options, i, steps, x, [&] { return x0; });
  }
  return x;
}

}  // namespace eddy::inline v0_1
