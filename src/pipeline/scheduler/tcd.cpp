// TCDScheduler: the last step leads to t = 0, not to the clean picture. diffusers reads clip_sample and thresholding, but limits
// nothing.
#include <cmath>

#include "pipeline/scheduler/distilled.hpp"

namespace eddy::inline v0_1 {

Recipe read_tcd(JsonFields& f) {
  const DistilledFields fields = read_distilled(f);
  return [=](const SamplingOptions& o) -> Sampling {
    std::vector<NoiseLevel> levels;
    for (const int t : distilled_timesteps(fields, o)) levels.push_back(fields.schedule.level(t));
    levels.push_back(fields.schedule.level(0));
    TcdOptions options;
    options.eta = o.eta.value_or(0.3);
    options.level = [schedule = fields.schedule, kept = 1 - options.eta](double t) {  // again in float32, as in diffusers
      const double whole = kept > 0 ? std::round(t / kept) : 0;
      return schedule.level(static_cast<int>(std::floor(static_cast<float>(kept) * static_cast<float>(whole))));
    };
    return {steps(levels), bound(sample_tcd, options), 1, fields.adapter};
  };
}

}  // namespace eddy::inline v0_1
