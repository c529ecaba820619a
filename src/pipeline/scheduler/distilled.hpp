// What LCM and TCD share: fields, and the timesteps that their networks were distilled at.
#pragma once

#include "pipeline/scheduler/recipe.hpp"

namespace eddy::inline v0_1 {

struct DistilledFields {
  Schedule schedule;
  int original_steps;
  Clip clip;
  Adapter adapter;
  double timestep_scaling;
};

DistilledFields read_distilled(JsonFields& fields);

// n of (original_steps .. 1) (T // original_steps) - 1, noisy first; or the caller's own. Throws Error.
std::vector<int> distilled_timesteps(const DistilledFields& fields, const SamplingOptions& options);

}  // namespace eddy::inline v0_1
