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
    const int n = steps_or(o, std::min(50, schedule.steps()));
    return {ddim_inversion_steps(schedule, n, spacing.spacing, spacing.offset, set_alpha_to_one),
            begun_with(o.picture, bound(invert_ddim, own)), 1, adapter};
  };
}

}  // namespace eddy::inline v0_1
