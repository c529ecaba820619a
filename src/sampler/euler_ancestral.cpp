// Ancestral sampling with Euler's method: to a level cleaner than the step's end, then noise up to it.
//
//   sigma_up   = min(sigma', eta sqrt(sigma'^2 (sigma^2 - sigma'^2) / sigma^2)),  sigma_down = sqrt(sigma'^2 - sigma_up^2)
//   x'         = x + (sigma_down - sigma) eps + s_noise sigma_up z                       [Crowson2022, get_ancestral_step]
//
// for alpha = 1; in general sigma_up is eta times the deviation of an ancestral step [Song2021, Eq. 16], and this is DDIM with
// the same eta, which may exceed 1 here. At eta = infinity, sigma_up = sigma': x' = alpha' x0 + sigma' z.
#include <algorithm>
#include <cmath>

#include "eddy/error.hpp"
#include "sampler/ancestral.hpp"
#include "sampler/support.hpp"

namespace eddy::inline v0_1 {

void check_ancestral(const char* sampler, const AncestralOptions& options) {
  if (!(options.eta >= 0 && options.s_noise >= 0)) throw Error(std::string(sampler) + ": eta and s_noise must be 0 or above");
}

Ancestral ancestral(const Step& step, double eta) {
  const double whole = ancestral_deviation(step);
  const double up = whole == 0 ? 0 : std::min(step.to.sigma, eta * whole);
  return {{step.from, {step.to.t, step.to.alpha, std::sqrt(step.to.sigma * step.to.sigma - up * up)}}, up};
}

Tensor sample_euler_ancestral(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                              const AncestralOptions& options) {
  check_steps("sample_euler_ancestral", steps);
  check_ancestral("sample_euler_ancestral", options);
  if (has_no_values("sample_euler_ancestral", x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const NoiseLevel& from = steps[i].from;
    const Prediction p = limited(predicted("sample_euler_ancestral", denoise, x, {&from, 1}), options.clip, from);
    const auto& [down, up] = ancestral(steps[i], options.eta);
    x = along(x, p, down);
    if (up > 0) x = combine(1, x, options.s_noise * up, noise.normal(x.shape(), {kStepNoise, i}, x.context()));
    report("sample_euler_ancestral", options, i, steps, x, [&] { return p.x0; });
  }
  return x;
}

}  // namespace eddy::inline v0_1
