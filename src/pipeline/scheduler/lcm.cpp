// LCMScheduler: consistency sampling at the timesteps of the distillation; the last step gives the clean picture.
#include "pipeline/scheduler/distilled.hpp"

namespace eddy::inline v0_1 {

Recipe read_lcm(JsonFields& f) {
  const DistilledFields fields = read_distilled(f);
  return [=](const SamplingOptions& o) -> Sampling {
    std::vector<NoiseLevel> levels;
    for (const int t : distilled_timesteps(fields, o)) levels.push_back(fields.schedule.level(t));
    levels.push_back({0, 1, 0});
    ConsistencyOptions options;
    options.clip = fields.clip;
    options.timestep_scaling = fields.timestep_scaling;
    return {steps(levels), bound(sample_consistency, options), 1, fields.adapter};
  };
}

}  // namespace eddy::inline v0_1
