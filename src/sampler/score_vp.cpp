// Euler's method for the reverse variance-preserving SDE.
//
//   x_s = x + q (x / 2 + g) + sqrt(q) z,   g = -eps / sigma                                  [Song2021b, Eq. 6 and 11]
//   q   = int beta dt = 2 ln(alpha_s / alpha_t)
//
// The paper's drift is -beta x / 2 and its diffusion sqrt(beta); the result is the last step's mean.
#include <cmath>
#include <string>

#include "eddy/error.hpp"
#include "sampler/support.hpp"

namespace eddy::inline v0_1 {

Tensor sample_score_vp(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                       const SamplerOptions& options) {
  check_steps("sample_score_vp", steps);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const NoiseLevel& l = steps[i].from;
    if (!(l.alpha > 0 && l.sigma > 0 && std::abs(l.alpha * l.alpha + l.sigma * l.sigma - 1) < 1e-3 && steps[i].to.alpha > 0)) {
      throw Error("sample_score_vp: step " + std::to_string(i) + " must begin at alpha^2 + sigma^2 = 1 with both above 0");
    }
  }
  if (has_no_values("sample_score_vp", x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& [from, to] = steps[i];
    const Prediction p = predicted("sample_score_vp", denoise, x, {&from, 1});
    const double q = 2 * std::log(to.alpha / from.alpha);
    if (options.clip.kind == Clip::Kind::none) {
      x = combine(1 + q / 2, x, -q / from.sigma, p.eps);
    } else {  // g = (alpha x0 - x) / sigma^2
      const double of_score = q / (from.sigma * from.sigma);
      x = combine(1 + q / 2 - of_score, x, of_score * from.alpha, clipped(p.x0, options.clip));
    }
    if (i + 1 < steps.size()) x = combine(1, x, std::sqrt(q), noise.normal(x.shape(), {kStepNoise, i}, x.context()));
    report("sample_score_vp", options, i, steps, x, [&] { return clipped(p.x0, options.clip); });
  }
  return x;
}

}  // namespace eddy::inline v0_1
