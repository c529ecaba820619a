// DDIMScheduler: to t - T / n, whatever the spacing.
#include "pipeline/scheduler/recipe.hpp"

namespace eddy::inline v0_1 {

Recipe read_ddim(JsonFields& f) {
  const Schedule schedule = read_schedule(f);
  const SpacingFields spacing = read_spacing(f, Spacing::leading);
  const bool set_alpha_to_one = f.boolean("set_alpha_to_one", true);
  const Clip clip = read_clip(f, true);
  const Adapter adapter = read_adapter(f);
  return [=](const SamplingOptions& o) -> Sampling {
    DdimOptions options;
    options.clip = clip;
    options.eta = o.eta.value_or(0);
    options.use_clipped_model_output = o.use_clipped_model_output.value_or(false);
    const int n = steps_or(o, std::min(50, schedule.steps()));
    return {ddim_steps(schedule, n, spacing.spacing, spacing.offset, set_alpha_to_one), bound(sample_ddim, options), 1, adapter};
  };
}

}  // namespace eddy::inline v0_1
