// DPM2: the midpoint method (midpoint.cpp), with churn [Karras2022, Alg. 2] in place of Heun's step [Crowson2022, sample_dpm_2].
#include "eddy/error.hpp"
#include "sampler/churn.hpp"
#include "sampler/midpoint.hpp"
#include "sampler/support.hpp"

namespace eddy::inline v0_1 {

Tensor sample_dpm_2(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                    const ChurnOptions& options) {
  check_steps("sample_dpm_2", steps);
  if (!options.level_at) throw Error("sample_dpm_2: leaves the list of steps and needs options.level_at");
  check_churn("sample_dpm_2", options);
  if (has_no_values("sample_dpm_2", x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& [from, to] = steps[i];
    const NoiseLevel noisier = churned_level("sample_dpm_2", from, steps.size(), options);
    if (noisier != from) {
      x = churned(x, from, noisier, options.churn.s_noise, noise.normal(x.shape(), {kStepNoise, i}, x.context()));
    }
    Prediction p = limited(predicted("sample_dpm_2", denoise, x, {&noisier, 1}), options.clip, noisier);
    x = midpoint_step("sample_dpm_2", denoise, x, p, {noisier, to}, options.level_at, options.clip);
    report("sample_dpm_2", options, i, steps, x, [&] { return p.x0; });
  }
  return x;
}

}  // namespace eddy::inline v0_1
