// DDPMScheduler: to the next entry of the list.
#include "pipeline/scheduler/recipe.hpp"

namespace eddy::inline v0_1 {

namespace {

// The logarithmic forms are the same variances; diffusers' own fixed_large_log takes the root of a logarithm, which is no number.
constexpr Name<Variance> kVariances[]{{"fixed_small", Variance::fixed_small},
                                      {"fixed_small_log", Variance::fixed_small},
                                      {"fixed_large", Variance::fixed_large},
                                      {"fixed_large_log", Variance::fixed_large},
                                      {"learned", Variance::learned},
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
    const std::vector<Step> steps = ddpm_steps(schedule, n, spacing.spacing, spacing.offset);
    options.noise_at_end = variance != Variance::fixed_small && steps.back().from.t > 0;  // of fixed_small: 1e-10, nothing
    return {steps, bound(sample_ddpm, options), 1, adapter};
  };
}

}  // namespace eddy::inline v0_1
