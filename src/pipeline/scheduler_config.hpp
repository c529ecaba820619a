// A scheduler's configuration as diffusers' scheduler_config.json has it.
#pragma once

#include "eddy/pipeline.hpp"
#include "io/json.hpp"
#include "pipeline/names.hpp"

namespace eddy::inline v0_1 {

extern const Names<PredictionType> kPredictionNames;
extern const Names<SamplerKind> kSamplerNames;  // "ddpm", "ddim"

SchedulerConfig scheduler_config_from_json(const Json& json, const std::string& source,
                                           const std::function<void(const std::string& key)>& unknown = {});
Json scheduler_config_to_json(const SchedulerConfig& config);

}  // namespace eddy::inline v0_1
