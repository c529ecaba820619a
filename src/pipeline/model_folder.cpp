// A model as a folder: model_index.json, unet/, scheduler/ as diffusers has them, eddy.json beside them.
#include <algorithm>
#include <array>

#include "base/boundary.hpp"
#include "eddy/error.hpp"
#include "pipeline/run_config.hpp"
#include "pipeline/run_files.hpp"
#include "pipeline/unet_config.hpp"
#include "pipeline/weights.hpp"

namespace eddy::inline v0_1 {

namespace {

const char* const kWeights = "diffusion_pytorch_model.safetensors";
const char* const kDiffusersVersion = "0.42.1";
constexpr std::array<std::string_view, 4> kFiles{"model_index.json", "unet", "scheduler", "eddy.json"};

// The name that diffusers gave a parameter of attention before 0.14, "" when it had none.
std::string old_name(const std::string& name) {
  constexpr std::array<std::pair<const char*, const char*>, 4> pairs{
      {{".to_q.", ".query."}, {".to_k.", ".key."}, {".to_v.", ".value."}, {".to_out.0.", ".proj_attn."}}};
  for (const auto& [now, then] : pairs) {
    if (const std::size_t at = name.find(now); at != std::string::npos) {
      return name.substr(0, at) + then + name.substr(at + std::string(now).size());
    }
  }
  return {};
}

UNet declared(const UNetConfig& config, const std::string& source, const Context& context) try {
  return UNet(config, {.allocate = false, .context = context});
} catch (const Error& error) {
  throw Error(source + ": " + error.what());
}

// A U-Net with the weights of a file, which is looked at before memory is taken. `source` is where the configuration is from.
UNet filled(const UNetConfig& config, const std::string& source, const std::string& path, const std::string& prefix,
            const Context& context) {
  const UNet unet = declared(config, source, context);
  const SafetensorsFile file(path);
  find_weights(file, unet.parameters(), prefix);
  unet.tree().allocate(context);
  read_weights(file, unet.parameters(), prefix);
  return unet;
}

UNet read_unet(const std::string& folder, const Context& context) {
  const std::string path = join(folder, "config.json");
  const Json json = read_json(path);
  if (!json.is_object() || json.value("_class_name", Json("UNet2DModel")) != "UNet2DModel") {
    throw Error(path + ": must be the configuration of a UNet2DModel");
  }
  // Keys of other versions of diffusers are left aside, as diffusers does; its own begin with _.
  const UNetConfig config = unet_config_from_json(json, path, [&](const std::string& key) {
    if (key.starts_with('_')) return;
    context.log(LogLevel::warning, path + ": " + key + " is no field of a UNet2DModel, it is left aside");
  });
  return filled(config, path, join(folder, kWeights), {}, context);
}

SchedulerConfig read_scheduler(const std::string& path, const Context& context) {
  const SchedulerConfig config(json_text(read_json(path)), path);
  for (const std::string& key : config.unknown_fields()) {
    context.log(LogLevel::warning, path + ": " + key + " is no field of " + config.class_name() + " and counts for nothing");
  }
  return config;
}

struct Labels {
  std::vector<std::string> names;
  std::int64_t no_label = -1, steps = -1;
};

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

// Also one that has no checkpoint yet.
bool is_run(const std::string& path) {
  const std::string config = join(path, "config.json");
  return exists(config) && (exists(join(path, "checkpoints")) || read_json(config).contains("train"));
}

Model read_run(const std::string& path, const Context& context) {
  const std::string newest = newest_checkpoint(path);
  if (newest.empty()) throw Error(path + ": the run has neither a model/ nor a checkpoint yet");
  const RunConfig config = run_config_from_json(read_json(join(path, "config.json")), join(path, "config.json"));
  const UNet unet = filled(config.unet, join(path, "config.json"), join(newest, "state.safetensors"), "ema.", context);
  return {unet, config.scheduler, config.class_names, config.no_label(), checkpoint_step(newest)};
}

}  // namespace

std::vector<const SafetensorsEntry*> find_weights(const SafetensorsFile& file, std::span<const Parameter> parameters,
                                                  const std::string& prefix) {
  std::vector<const SafetensorsEntry*> result;
  for (const Parameter& p : parameters) {
    const SafetensorsEntry* entry = file.find(prefix + p.name());
    if (entry == nullptr) entry = file.find(prefix + old_name(p.name()));
    if (entry == nullptr) throw Error(file.path() + ": there is no " + prefix + p.name());
    if (!std::ranges::equal(entry->shape, p.shape().extents())) {
      throw Error(file.path() + ": " + entry->name + " must be " + to_string(p.shape()) + ", got " +
                  to_string(Shape(std::span<const std::int64_t>(entry->shape))));
    }
    result.push_back(entry);
  }
  if (!prefix.empty() || result.size() == file.entries().size()) return result;
  for (const SafetensorsEntry& entry : file.entries()) {
    const auto fits = [&](const Parameter& p) { return p.name() == entry.name || old_name(p.name()) == entry.name; };
    if (std::ranges::none_of(parameters, fits)) throw Error(file.path() + ": the model has no parameter " + entry.name);
  }
  return result;
}

void read_weights(const SafetensorsFile& file, std::span<const Parameter> parameters, const std::string& prefix) {
  const auto entries = find_weights(file, parameters, prefix);
  for (std::size_t i = 0; i < parameters.size(); ++i) file.read(*entries[i], parameters[i].write());
}

std::int64_t model_steps(const std::string& run) {
  const std::string path = join(run, "model/eddy.json");
  if (!exists(join(run, "model/model_index.json")) || !exists(path)) return -1;
  const Json json = read_json(path);
  const Json steps = json.is_object() ? json.value("steps", Json()) : Json();
  return steps.is_number_integer() ? steps.get<std::int64_t>() : -1;
}

Model load_model(const std::string& path, const Context& context) try {
  if (path_kind(path) == PathKind::file) throw Error(path + ": is a file; give the folder of a model or of a run");
  if (path_kind(path) != PathKind::directory) throw Error(path + ": there is no such folder");
  if (exists(join(path, "model_index.json"))) {
    const UNet unet = read_unet(join(path, "unet"), context);
    Labels labels = read_labels(path, unet.config());
    return {unet, read_scheduler(join(path, "scheduler/scheduler_config.json"), context), std::move(labels.names), labels.no_label,
            labels.steps};
  }
  if (exists(join(path, "model/model_index.json"))) {
    const std::string newest = newest_checkpoint(path);  // later than the model where the run has been extended
    if (newest.empty() || checkpoint_step(newest) == model_steps(path)) return load_model(join(path, "model"), context);
  }
  if (is_run(path)) return read_run(path, context);
  throw Error(path + ": neither a model (model_index.json) nor a run (config.json and checkpoints/)");
} catch (...) {
  throw_as_error("load_model");
}

UNet load_unet(const std::string& path, const Context& context) try {
  if (exists(join(path, kWeights))) return read_unet(path, context);
  return load_model(path, context).unet;
} catch (...) {
  throw_as_error("load_unet");
}

std::vector<std::string> kept_beside_model(const std::string& path) {
  if (path_kind(path) == PathKind::file) throw Error(path + ": is a file, a folder is needed");
  if (path_kind(path) != PathKind::directory) return {};
  const std::string index = join(path, "model_index.json");
  const Json json = exists(index) ? read_json(index) : Json();
  const Json kind = json.is_object() ? json.value("_class_name", Json()) : Json();
  const bool model = kind == "DDPMPipeline" || kind == "DDIMPipeline";
  std::vector<std::string> kept;
  for (const std::string& name : list_directory(path)) {
    if (std::ranges::count(kFiles, name) > 0) continue;
    const bool card = name.starts_with('.') || name.starts_with("README") || name.starts_with("LICENSE");
    if (!model && !card) throw Error(path + ": holds " + name + " and is no model; choose another folder");
    kept.push_back(name);
  }
  return kept;
}

void save_model(const std::string& path, const Model& model, DType dtype) try {
  const std::vector<std::string> kept = kept_beside_model(path);
  std::vector<NamedValues> values;
  for (const Parameter& p : model.unet.parameters()) {
    values.push_back({p.name(), {p.shape().extents().begin(), p.shape().extents().end()}, p.value().values()});
  }
  const Json unet = unet_config_to_json(model.unet.config());
  const Json scheduler = Json::parse(model.scheduler.json());
  write_directory(path, [&](const std::string& folder) {
    make_directories(join(folder, "unet"));
    make_directories(join(folder, "scheduler"));
    const auto with = [](Json json, const Json& more) {
      json.update(more);
      return json;
    };
    write_json(join(folder, "model_index.json"),
               {{"_class_name", model.scheduler.name() == "ddim" ? "DDIMPipeline" : "DDPMPipeline"},
                {"_diffusers_version", kDiffusersVersion},
                {"scheduler", {"diffusers", scheduler["_class_name"]}},
                {"unet", {"diffusers", "UNet2DModel"}}});
    write_json(join(folder, "unet/config.json"),
               with(unet, {{"_class_name", "UNet2DModel"}, {"_diffusers_version", kDiffusersVersion}}));
    write_json(join(folder, "scheduler/scheduler_config.json"), with(scheduler, {{"_diffusers_version", kDiffusersVersion}}));
    write_json(join(folder, "eddy.json"), {{"class_names", model.class_names},
                                           {"no_label", model.no_label < 0 ? Json() : Json(model.no_label)},
                                           {"steps", model.steps < 0 ? Json() : Json(model.steps)}});
    write_safetensors(join(folder, join("unet", kWeights)), values, dtype);
    for (const std::string& name : kept) copy_path(join(path, name), join(folder, name));
  });
} catch (...) {
  throw_as_error("save_model");
}

}  // namespace eddy::inline v0_1
