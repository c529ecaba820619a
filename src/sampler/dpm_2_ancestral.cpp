// DPM2, ancestral: the midpoint method (midpoint.cpp) to a level cleaner than the step's end, then noise up to it, as
// euler_ancestral.cpp has it [Crowson2022, sample_dpm_2_ancestral].
#include "eddy/error.hpp"
#include "sampler/ancestral.hpp"
#include "sampler/midpoint.hpp"
#include "sampler/support.hpp"

namespace eddy::inline v0_1 {

Tensor sample_dpm_2_ancestral(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                              const Dpm2AncestralOptions& options) {
  check_steps("sample_dpm_2_ancestral", steps);
  check_ancestral("sample_dpm_2_ancestral", options);
  if (!options.level_at) throw Error("sample_dpm_2_ancestral: leaves the list of steps and needs options.level_at");
  if (has_no_values("sample_dpm_2_ancestral", x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const NoiseLevel& from = steps[i].from;
    Prediction p = limited(predicted("sample_dpm_2_ancestral", denoise, x, {&from, 1}), options.clip, from);
    const auto& [down, up] = ancestral(steps[i], options.eta);
    x = midpoint_step("sample_dpm_2_ancestral", denoise, x, p, down, options.level_at, options.clip);
    if (up > 0) x = combine(1, x, options.s_noise * up, noise.normal(x.shape(), {kStepNoise, i}, x.context()));
    report("sample_dpm_2_ancestral", options, i, steps, x, [&] { return p.x0; });
  }
  return x;
}

}  // namespace eddy::inline v0_1
