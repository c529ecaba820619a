// What a SchedulerConfig holds.
#pragma once

#include "eddy/train.hpp"
#include "pipeline/scheduler/recipe.hpp"

namespace eddy::inline v0_1 {

struct SchedulerConfig::State {
  const SchedulerClass* row;
  std::string class_name, name, source;
  Json stated;    // as given
  Json resolved;  // every field of the class
  std::vector<std::string> unknown;
  Recipe recipe;
};

// Throws Error for a scheduler whose network predicts what training does not teach.
PredictionType prediction_of(const SchedulerConfig& config);

}  // namespace eddy::inline v0_1
