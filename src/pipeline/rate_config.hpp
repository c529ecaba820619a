// The learning rate's schedule in RUN/config.json: `lr_schedule` by its name in diffusers, and the arguments that it takes.
#pragma once

#include <string>

#include "eddy/rate.hpp"
#include "io/json.hpp"

namespace eddy::inline v0_1 {

struct RateConfig {
  std::string schedule = "cosine";
  std::int64_t warmup = 0;  // steps
  std::int64_t steps = 0;   // over which the rate changes; 0: those of the run
  double cycles = 0.5;
  double power = 1, end = 1e-7;  // end: a rate
  std::string rules{};           // as diffusers' step_rules: "1:10,0.1:20,0.01" is 1 below step 10, 0.1 below 20, then 0.01
};

// Takes its keys of `train`, which may hold only some of them. Throws Error for a value out of range.
RateConfig read_rate(JsonFields& train);
// What of a whole `train` fits together. Throws Error for an argument that the schedule does not take, or not at this value.
void check_rate(const RateConfig& config, const JsonFields& train, double learning_rate);
// The schedule and its arguments.
void write_rate(const RateConfig& config, Json& train);
RateSchedule rate_schedule_of(const RateConfig& config, double learning_rate);

// Whether a schedule of this name takes this key.
bool takes_argument(const std::string& schedule, const std::string& key);
// Removes from `train` what another schedule would not take, or would take differently.
void forget_arguments(Json& train, const Json& schedule);

}  // namespace eddy::inline v0_1
