// DDPMScheduler: to the next entry of the list.
#include "pipeline/scheduler/recipe.hpp"

namespace eddy::inline v0_1 {

namespace {

// diffusers' *_log forms are the same variances, written as logarithms.
const Names<Variance> kVariances{{"fixed_small", Variance::fixed_small},
                                 {"fixed_small_log", Variance::fixed_small},
                                 {"fixed_large", Variance::fixed_large},
                                 {"fixed_large_log", Variance::fixed_large},
                                 {"learned_range", Variance::learned_range}};

}  // namespace

Recipe read_ddpm(JsonFields& f) {
  const Schedule schedule = read_schedule(f);
  const SpacingFields spacing = read_spacing(f, Spacing::leading);
  const Clip clip = read_clip(f, true);
  const Variance variance = named(f, "variance_type", f.text("variance_type", "fixed_small"), kVariances);
  const Adapter adapter = read_adapter(f);
  return [=](const SamplingOptions& o) -> Sampling {
    DdpmOptions options;
    options.clip = clip;
    options.variance = variance;
    const int n = steps_or(o, schedule.steps());
    return {ddpm_steps(schedule, n, spacing.spacing, spacing.offset), bound(sample_ddpm, options), 1, adapter};
  };
}

}  // namespace eddy::inline v0_1
