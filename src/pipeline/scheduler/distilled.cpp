// Fields and timesteps of LCM and TCD; timestep_spacing, steps_offset and set_alpha_to_one change nothing in either.
#include "pipeline/scheduler/distilled.hpp"

#include <cmath>

namespace eddy::inline v0_1 {

DistilledFields read_distilled(JsonFields& f) {
  Schedule schedule = read_schedule(f, {0.00085, 0.012, "scaled_linear"});
  const int original = static_cast<int>(f.integer("original_inference_steps", 50, 1, schedule.steps()));
  const Clip clip = read_clip(f, false);
  f.boolean("set_alpha_to_one", true);
  read_spacing(f, Spacing::leading);
  const double scaling = read_positive(f, "timestep_scaling", 10);
  return {std::move(schedule), original, clip, read_adapter(f), scaling};
}

std::vector<int> distilled_timesteps(const DistilledFields& fields, const SamplingOptions& o) {
  const int train_steps = fields.schedule.steps(), original = fields.original_steps;
  std::vector<int> result;
  for (const double t : o.timesteps) {
    if (!(t >= 0 && t < train_steps && t == std::floor(t) && (result.empty() || t < result.back()))) {
      throw Error("sampling_of: timesteps must be whole numbers that fall, in [0, " + std::to_string(train_steps) + ")");
    }
    result.push_back(static_cast<int>(t));
  }
  if (!result.empty()) return result;
  const int n = steps_or(o, std::min(4, original)), k = train_steps / original;
  if (n > original) {
    throw Error("sampling_of: steps must be at most original_inference_steps, " + std::to_string(original) + ", got " +
                std::to_string(n));
  }
  for (int i = 0; i < n; ++i) {
    const int skipped = static_cast<int>(std::floor(i * (static_cast<double>(original) / n)));
    result.push_back((original - skipped) * k - 1);
  }
  return result;
}

}  // namespace eddy::inline v0_1
