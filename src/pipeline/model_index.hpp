// model_index.json: which pipeline of diffusers a folder holds, and its components.
#pragma once

#include <string>
#include <vector>

#include "io/json.hpp"

namespace eddy::inline v0_1 {

struct ModelIndex {
  std::string pipeline;         // its _class_name
  std::string scheduler_class;
  Json json;
};

// Pipelines that denoise with a UNet2DModel and a scheduler, and have nothing else.
bool is_known_pipeline(const Json& class_name);

// Throws Error naming file, key and class for a pipeline that is not known, a component that it does not have or that is of
// another class, and a component whose folder or configuration is missing.
ModelIndex read_model_index(const std::string& folder);

// The pipeline that diffusers has for a scheduler: DDIMPipeline for DDIMScheduler, else DDPMPipeline, which takes any.
std::string pipeline_for(const std::string& scheduler_class);

// What is written: `kept`, as it was read or null, with the classes put in their places.
Json model_index_json(const Json& kept, const std::string& scheduler_class);

// A configuration with the version of diffusers whose form it has, where it names none.
Json with_version(Json json);

}  // namespace eddy::inline v0_1
