// DDIMInverseScheduler: DDIM towards the noise, beginning with a picture; the network is told the noisier t of a step.
#include "pipeline/scheduler/recipe.hpp"

namespace eddy::inline v0_1 {

Recipe read_ddim_inverse(JsonFields& f) {
  const Schedule schedule = read_schedule(f);
  const SpacingFields spacing = read_spacing(f, Spacing::leading);
  if (spacing.spacing == Spacing::linspace) f.refuse("timestep_spacing", "leading or trailing");
  const bool set_alpha_to_one = f.boolean("set_alpha_to_one", true);
  const Clip clip = read_clip_sample(f, true);
  const Adapter adapter = read_adapter(f);
  return [=](const SamplingOptions& o) -> Sampling {
    DdimOptions own;
    own.clip = clip;
    const Sampler sampler = [own](const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource&,
                                  const SamplerOptions& call) {
      DdimOptions options = own;
      options.on_step = call.on_step;
      options.cancel = call.cancel;
      return invert_ddim(denoise, std::move(x), steps, options);
    };
    const int n = steps_or(o, std::min(50, schedule.steps()));
    return {ddim_inversion_steps(schedule, n, spacing.spacing, spacing.offset, set_alpha_to_one),
            begun_with(o.picture, sampler), 1, adapter};
  };
}

}  // namespace eddy::inline v0_1
