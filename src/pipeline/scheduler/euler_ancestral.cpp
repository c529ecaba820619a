// EulerAncestralDiscreteScheduler: a new noise at every step.
#include "pipeline/scheduler/sigma_space.hpp"

namespace eddy::inline v0_1 {

Recipe read_euler_ancestral(JsonFields& f) {
  const SigmaSpace space = read_sigma_space(f, {}, true, false);
  const Adapter adapter = read_adapter(f);
  return [=](const SamplingOptions& o) -> Sampling {
    AncestralOptions options;
    options.eta = o.eta.value_or(1);
    std::vector<Step> steps = space.steps(o);
    const double scale = space.initial_scale(steps);
    return {std::move(steps), bound(sample_euler_ancestral, options), scale, adapter};
  };
}

}  // namespace eddy::inline v0_1
