// Model folders as files: which are a model's own, and how they are written.
#include "pipeline/folder_files.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/files.hpp"
#include "eddy/error.hpp"
#include "pipeline/unet_config.hpp"
#include "pipeline/weight_files.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr std::array<std::string_view, 4> kFiles{"model_index.json", "unet", "scheduler", "eddy.json"};

bool is_unet(const Json& json) { return json.is_object() && json.value("_class_name", Json("UNet2DModel")) == "UNet2DModel"; }

}  // namespace

bool is_unet_folder(const std::string& path) {
  const std::string config = join(path, "config.json");
  if (exists(join(path, "model_index.json")) || !exists(config)) return false;
  const Json json = read_json(config);
  return (json.is_object() && json.contains("_class_name")) || !variants_in(path).empty();
}

UNetFolder read_unet_folder(const std::string& folder) {
  const std::string path = join(folder, "config.json");
  UNetFolder result;
  result.json = read_json(path);
  if (!is_unet(result.json)) {
    JsonFields(result.json, path).refuse("_class_name", "UNet2DModel");
  }
  result.config = unet_config_from_json(result.json, path, [&](const std::string& key) {
    if (!key.starts_with('_')) result.unknown.push_back(key);
  });
  return result;
}

Json unet_json(const UNetConfig& config, const Json& kept) {
  Json json = kept.is_object() ? kept : Json::object();
  if (json.empty() || unet_config_from_json(json, "Model::kept", [](const std::string&) {}) != config) {
    json.update(unet_config_to_json(config));
  }
  json["_class_name"] = "UNet2DModel";
  return with_version(std::move(json));
}

Json read_scheduler_json(const std::string& folder, const ModelIndex& index) {
  Json json = read_json(join(folder, "scheduler/scheduler_config.json"));
  if (json.is_object()) json["_class_name"] = index.scheduler_class;
  return json;
}

SchedulerConfig read_scheduler(const std::string& folder, const ModelIndex& index) {
  return SchedulerConfig(json_text(read_scheduler_json(folder, index)), join(folder, "scheduler/scheduler_config.json"));
}

Json scheduler_json(const SchedulerConfig& config, const Json& kept) {
  const std::string text = config.json();
  if (kept.is_object() && SchedulerConfig(json_text(kept), "Model::kept").json() == text) return with_version(kept);
  return with_version(parse_json(text, "scheduler"));
}

Labels read_labels(const std::string& folder, const UNetConfig& config) {
  Labels result;
  const std::string path = join(folder, "eddy.json");
  if (!exists(path)) return result;
  const Json json = read_json(path);
  JsonFields f(json, path);
  const std::int64_t rows = config.num_class_embeds.value_or(0);
  result.names = f.texts("class_names", {});
  result.no_label = f.integer("no_label", -1, -1, std::max<std::int64_t>(rows - 1, -1));
  result.steps = f.integer("steps", -1, -1, std::int64_t{1} << 40);
  f.finish();
  return result;
}

bool is_of_model(const std::string& name) { return std::ranges::count(kFiles, name) > 0; }

std::vector<std::string> kept_beside_model(const std::string& path) {
  if (path_kind(path) == PathKind::file) throw Error(path + ": is a file, a folder is needed");
  if (path_kind(path) != PathKind::directory) return {};
  const std::string index = join(path, "model_index.json");
  const Json json = exists(index) ? read_json(index) : Json();
  const bool model = json.is_object() && is_known_pipeline(json.value("_class_name", Json()));
  std::vector<std::string> kept;
  for (const std::string& name : list_directory(path)) {
    if (is_of_model(name)) continue;
    const bool card = name.starts_with('.') || name.starts_with("README") || name.starts_with("LICENSE");
    if (!model && !card) throw Error(path + ": holds " + name + " and is no model; choose another folder");
    kept.push_back(name);
  }
  return kept;
}

void write_model_folder(const std::string& path, const FolderContent& c) {
  const std::vector<std::string> kept = kept_beside_model(path);
  write_directory(path, [&](const std::string& folder) {
    make_directories(join(folder, "unet"));
    make_directories(join(folder, "scheduler"));
    write_json(join(folder, "model_index.json"), c.index);
    write_json(join(folder, "unet/config.json"), c.unet);
    write_json(join(folder, "scheduler/scheduler_config.json"), c.scheduler);
    if (!c.labels.is_null()) write_json(join(folder, "eddy.json"), c.labels);
    write_weights(join(folder, "unet"), c.tensors, c.variant, c.max_shard_size);
    for (const std::string& name : kept) copy_path(join(path, name), join(folder, name));
    if (c.also.empty()) return;
    for (const std::string& name : list_directory(c.also)) {
      const bool file = path_kind(join(c.also, name)) == PathKind::file;
      if (file && !name.starts_with('.') && !exists(join(folder, name))) copy_path(join(c.also, name), join(folder, name));
    }
  });
}

}  // namespace eddy::inline v0_1
