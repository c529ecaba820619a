// Pipelines of diffusers by name, and what their model_index.json must hold.
#include "pipeline/model_index.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/files.hpp"
#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

namespace {

const char* const kVersion = "0.42.1";
constexpr std::array<std::string_view, 7> kPipelines{"DDPMPipeline",    "DDIMPipeline",       "PNDMPipeline",
                                                     "RePaintPipeline", "ScoreSdeVePipeline", "KarrasVePipeline",
                                                     "ConsistencyModelPipeline"};

std::string shown(const Json& value) { return value.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 200); }

// The class of [library, class]; "" where the value is no component.
std::string class_of(const Json& value) {
  const bool pair = value.is_array() && value.size() == 2 && value[0].is_string() && value[1].is_string();
  return pair ? value[1].get<std::string>() : std::string{};
}

// Where a component's configuration is.
void check_there(const std::string& source, const std::string& folder, const std::string& key, const char* file) {
  const std::string path = join(folder, key);
  if (path_kind(path) != PathKind::directory) {
    throw Error(source + ": " + key + ": the component's folder " + path + " is missing");
  }
  if (!exists(join(path, file))) throw Error(source + ": " + key + ": the component's " + join(path, file) + " is missing");
}

}  // namespace

bool is_known_pipeline(const Json& class_name) {
  return class_name.is_string() && std::ranges::count(kPipelines, class_name.get_ref<const std::string&>()) > 0;
}

ModelIndex read_model_index(const std::string& folder) {
  const std::string source = join(folder, "model_index.json");
  ModelIndex index;
  index.json = read_json(source);
  const JsonFields fields(index.json, source);
  const Json name = index.json.value("_class_name", Json());
  if (!is_known_pipeline(name)) {
    std::string all;
    for (const std::string_view known : kPipelines) all += (all.empty() ? "" : ", ") + std::string(known);
    fields.refuse("_class_name", "a pipeline of a UNet2DModel and a scheduler (" + all + ")");
  }
  index.pipeline = name.get<std::string>();
  for (const auto& [key, value] : index.json.items()) {
    if (key == "unet" && class_of(value) != "UNet2DModel") fields.refuse(key, R"(["diffusers", "UNet2DModel"])");
    if (key == "scheduler" && class_of(value).empty()) fields.refuse(key, R"(["diffusers", a class of scheduler])");
    if (key == "unet" || key == "scheduler" || class_of(value).empty()) continue;
    throw Error(source + ": " + key + ": " + shown(value) + " is no component of a " + index.pipeline +
                "; only unet and scheduler are known");
  }
  for (const char* key : {"unet", "scheduler"}) {
    if (!index.json.contains(key)) throw Error(source + ": the component " + std::string(key) + " is missing");
  }
  check_there(source, folder, "unet", "config.json");
  check_there(source, folder, "scheduler", "scheduler_config.json");
  index.scheduler_class = class_of(index.json["scheduler"]);
  return index;
}

std::string pipeline_for(const std::string& scheduler_class) {
  return scheduler_class == "DDIMScheduler" ? "DDIMPipeline" : "DDPMPipeline";
}

Json model_index_json(const Json& kept, const std::string& scheduler_class) {
  Json json = kept.is_object() ? kept : Json::object();
  if (!is_known_pipeline(json.value("_class_name", Json()))) json["_class_name"] = pipeline_for(scheduler_class);
  if (class_of(json.value("scheduler", Json())) != scheduler_class) json["scheduler"] = {"diffusers", scheduler_class};
  json["unet"] = {"diffusers", "UNet2DModel"};
  return with_version(std::move(json));
}

Json with_version(Json json) {
  if (!json.contains("_diffusers_version")) json["_diffusers_version"] = kVersion;
  return json;
}

}  // namespace eddy::inline v0_1
