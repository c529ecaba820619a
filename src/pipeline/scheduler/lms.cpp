// LMSDiscreteScheduler: order 4.
#include "pipeline/scheduler/sigma_space.hpp"

namespace eddy::inline v0_1 {

Recipe read_lms(JsonFields& f) {
  const SigmaSpace space = read_sigma_space(f, {}, false, true);
  const Adapter adapter = read_adapter(f);
  return [=](const SamplingOptions& o) -> Sampling {
    std::vector<Step> steps = space.steps(o);
    const double scale = space.initial_scale(steps);
    return {std::move(steps), bound(sample_lms, LmsOptions{}), scale, adapter};
  };
}

}  // namespace eddy::inline v0_1
