// The files of a model folder, as they are: read and written without a model's memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eddy/model.hpp"
#include "eddy/scheduler.hpp"
#include "io/json.hpp"
#include "io/safetensors.hpp"
#include "pipeline/model_index.hpp"

namespace eddy::inline v0_1 {

// A folder with the config.json of a UNet2DModel, as unet/ is.
bool is_unet_folder(const std::string& path);

struct UNetFolder {
  UNetConfig config;
  Json json;
  std::vector<std::string> unknown;  // keys that a UNet2DModel has not; those that begin with _ are diffusers' own
};

// Throws Error where the configuration is another model's or cannot be built. Keys that nobody knows stay in `json`.
UNetFolder read_unet_folder(const std::string& folder);

// What is written for a configuration: `kept`, as it was read or null, where it says the same; else with the fields changed.
Json unet_json(const UNetConfig& config, const Json& kept);

// scheduler_config.json with the class that the index names, by which diffusers goes.
Json read_scheduler_json(const std::string& folder, const ModelIndex& index);
SchedulerConfig read_scheduler(const std::string& folder, const ModelIndex& index);
Json scheduler_json(const SchedulerConfig& config, const Json& kept);  // as unet_json

// eddy.json.
struct Labels {
  std::vector<std::string> names;
  std::int64_t no_label = -1, steps = -1;
};
Labels read_labels(const std::string& folder, const UNetConfig& config);

struct FolderContent {
  Json index, unet, scheduler;
  Json labels;  // eddy.json; null: none
  std::vector<TensorToWrite> tensors;
  std::string variant;
  std::uint64_t max_shard_size;
  std::string also{};  // a folder whose other files are copied; "": none
};

// The folder appears when it is complete, and takes the place of a model that was there.
void write_model_folder(const std::string& path, const FolderContent& content);

// What a folder holds beside the files of a model, and keeps when the model is replaced: a card, a licence, .git. Throws Error
// where the folder is no model of a known pipeline and holds anything else.
std::vector<std::string> kept_beside_model(const std::string& path);

// Whether a name at the top of a model folder is one of the model's own.
bool is_of_model(const std::string& name);

}  // namespace eddy::inline v0_1
