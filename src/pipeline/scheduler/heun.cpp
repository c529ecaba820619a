// HeunDiscreteScheduler.
#include "pipeline/scheduler/sigma_space.hpp"

namespace eddy::inline v0_1 {

Recipe read_heun(JsonFields& f) {
  const SigmaSpace space = read_sigma_space(f, {.start = 0.00085, .end = 0.012}, false, true);
  ChurnOptions own;
  own.clip = read_clip_sample(f, false);
  own.level_at = space.level_at();
  const Adapter adapter = read_adapter(f);
  return [=](const SamplingOptions& o) -> Sampling {
    ChurnOptions options = own;
    options.churn = o.churn;
    std::vector<Step> steps = space.steps(o);
    const double scale = space.initial_scale(steps);
    return {std::move(steps), bound(sample_heun, options), scale, adapter};
  };
}

}  // namespace eddy::inline v0_1
