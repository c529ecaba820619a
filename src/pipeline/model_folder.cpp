// A model as a folder: model_index.json, unet/, scheduler/ as diffusers has them, eddy.json beside them.
#include <algorithm>
#include <array>

#include "base/boundary.hpp"
#include "eddy/error.hpp"
#include "pipeline/folder_files.hpp"
#include "pipeline/model_index.hpp"
#include "pipeline/run_config.hpp"
#include "pipeline/run_files.hpp"
#include "pipeline/unet_config.hpp"
#include "pipeline/weights.hpp"

namespace eddy::inline v0_1 {

namespace {

// `source` is where the configuration is from.
UNet declared(const UNetConfig& config, const std::string& source, const Context& context) try {
  return UNet(config, {.allocate = false, .context = context});
} catch (const Error& error) {
  throw Error(source + ": " + error.what());
}

// A U-Net with the weights of files, which are looked at before memory is taken.
UNet filled(const UNetConfig& config, const std::string& source, const WeightFiles& files, const std::string& prefix,
            const Context& context) {
  const UNet unet = declared(config, source, context);
  find_weights(files, unet.parameters(), prefix);
  unet.tree().allocate(context);
  read_weights(files, unet.parameters(), prefix);
  return unet;
}

struct ReadUNet {
  UNet unet;
  Json json;
};

ReadUNet read_unet(const std::string& folder, const std::string& variant, const Context& context) {
  UNetFolder files = read_unet_folder(folder);
  const std::string source = join(folder, "config.json");
  for (const std::string& key : files.unknown) {
    context.log(LogLevel::warning, source + ": " + key + " is no field of a UNet2DModel, it is left aside");
  }
  return {filled(files.config, source, WeightFiles(folder, variant), {}, context), std::move(files.json)};
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
  const WeightFiles weights(join(newest, "state.safetensors"));
  const UNet unet = filled(config.unet, join(path, "config.json"), weights, "ema.", context);
  return {unet, config.scheduler, config.class_names, config.no_label(), checkpoint_step(newest)};
}

Model read_model(const std::string& path, const std::string& variant, const Context& context) {
  const ModelIndex index = read_model_index(path);
  const auto [unet, unet_json] = read_unet(join(path, "unet"), variant, context);
  const SchedulerConfig scheduler = read_scheduler(path, index);
  for (const std::string& key : scheduler.unknown_fields()) {
    context.log(LogLevel::warning, path + ": " + key + " is no field of " + scheduler.class_name() + " and counts for nothing");
  }
  Labels labels = read_labels(path, unet.config());
  const Json kept{{"model_index", index.json}, {"unet", unet_json}, {"scheduler", read_scheduler_json(path, index)}};
  return {unet, scheduler, std::move(labels.names), labels.no_label, labels.steps, json_text(kept)};
}

// A run's model/, unless a checkpoint of another step is newer: the run has been extended.
bool has_finished_model(const std::string& run) {
  if (!exists(join(run, "model/model_index.json"))) return false;
  const std::string newest = newest_checkpoint(run);
  return newest.empty() || checkpoint_step(newest) == model_steps(run);
}

// A U-Net without the rest of a pipeline, in the folder itself or in its unet/: how to make a model folder of it.
void refuse_unet_alone(const std::string& path) {
  const std::string unet = is_unet_folder(path) ? path : join(path, "unet");
  if (!is_unet_folder(unet)) return;
  read_unet_folder(unet);  // throws Error where it is another model's
  const std::vector<std::string> variants = variants_in(unet);
  const WeightFiles files(unet, variants.empty() ? "" : variants.front());
  const std::string scheduler = join(path, "scheduler/scheduler_config.json");
  const std::string way_out = files.sharded() ? "a model folder has model_index.json and scheduler/ beside unet/"
                                              : "`eddy convert " + files.source() + " FOLDER --config " +
                                                    join(unet, "config.json") + " --scheduler " +
                                                    (exists(scheduler) ? scheduler : "FILE") + "` makes a model folder of it";
  throw Error(path + ": a U-Net alone, without a model_index.json; " + way_out);
}

}  // namespace

std::int64_t model_steps(const std::string& run) {
  const std::string path = join(run, "model/eddy.json");
  if (!exists(join(run, "model/model_index.json")) || !exists(path)) return -1;
  const Json json = read_json(path);
  const Json steps = json.is_object() ? json.value("steps", Json()) : Json();
  return steps.is_number_integer() ? steps.get<std::int64_t>() : -1;
}

Model load_model(const std::string& path, const Context& context, const std::string& variant) try {
  if (path_kind(path) == PathKind::file) {
    refuse_pickle(path);
    throw Error(path + ": is a file; give the folder of a model or of a run" +
                (lower_extension(path) == ".safetensors" ? " (`eddy convert` makes one of a file of weights)" : ""));
  }
  if (path_kind(path) != PathKind::directory) throw Error(path + ": there is no such folder");
  if (exists(join(path, "model_index.json"))) return read_model(path, variant, context);
  if (has_finished_model(path)) return read_model(join(path, "model"), variant, context);
  if (!is_run(path)) {
    refuse_unet_alone(path);
    throw Error(path + ": neither a model (model_index.json) nor a run (config.json and checkpoints/)");
  }
  if (!variant.empty()) throw Error(path + ": a run's checkpoint has no variant '" + variant + "'");
  return read_run(path, context);
} catch (...) {
  throw_as_error("load_model");
}

UNet load_unet(const std::string& path, const Context& context, const std::string& variant) try {
  if (is_unet_folder(path)) return read_unet(path, variant, context).unet;
  return load_model(path, context, variant).unet;
} catch (...) {
  throw_as_error("load_unet");
}

void save_model(const std::string& path, const Model& model, const SaveOptions& options) try {
  std::vector<TensorToWrite> tensors;
  for (const Parameter& p : model.unet.parameters()) {
    const auto extents = p.shape().extents();
    tensors.push_back(to_write({p.name(), {extents.begin(), extents.end()}, p.value().values()}, options.dtype));
  }
  const Json kept = model.kept.empty() ? Json::object() : parse_json(model.kept, "Model::kept");
  write_model_folder(path, {.index = model_index_json(kept.value("model_index", Json()), model.scheduler.class_name()),
                            .unet = unet_json(model.unet.config(), kept.value("unet", Json())),
                            .scheduler = scheduler_json(model.scheduler, kept.value("scheduler", Json())),
                            .labels = {{"class_names", model.class_names},
                                       {"no_label", model.no_label < 0 ? Json() : Json(model.no_label)},
                                       {"steps", model.steps < 0 ? Json() : Json(model.steps)}},
                            .tensors = std::move(tensors),
                            .variant = options.variant,
                            .max_shard_size = options.max_shard_size});
} catch (...) {
  throw_as_error("save_model");
}

}  // namespace eddy::inline v0_1
