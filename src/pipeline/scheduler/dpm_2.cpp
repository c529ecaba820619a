// KDPM2DiscreteScheduler, and KDPM2AncestralDiscreteScheduler: Karras's timesteps are whole, those between them are not.
#include "pipeline/scheduler/sigma_space.hpp"

namespace eddy::inline v0_1 {

namespace {

SigmaSpace read_space(JsonFields& f) {
  SigmaSpace space = read_sigma_space(f, {.start = 0.00085, .end = 0.012}, false, true);
  space.round_karras_times = true;
  return space;
}

}  // namespace

Recipe read_dpm_2(JsonFields& f) {
  const SigmaSpace space = read_space(f);
  const Adapter adapter = read_adapter(f);
  return [=](const SamplingOptions& o) -> Sampling {
    ChurnOptions options;
    options.level_at = space.level_at();
    options.churn = o.churn;
    std::vector<Step> steps = space.steps(o);
    const double scale = space.initial_scale(steps);
    return {std::move(steps), bound(sample_dpm_2, options), scale, adapter};
  };
}

Recipe read_dpm_2_ancestral(JsonFields& f) {
  const SigmaSpace space = read_space(f);
  const Adapter adapter = read_adapter(f);
  return [=](const SamplingOptions& o) -> Sampling {
    Dpm2AncestralOptions options;
    options.level_at = space.level_at();
    options.eta = o.eta.value_or(1);
    std::vector<Step> steps = space.steps(o);
    const double scale = space.initial_scale(steps);
    return {std::move(steps), bound(sample_dpm_2_ancestral, options), scale, adapter};
  };
}

}  // namespace eddy::inline v0_1
