// What a path is.
#include <algorithm>
#include <cmath>
#include <cstdlib>

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

Json extents(const Shape& shape) { return Json(std::vector<std::int64_t>(shape.extents().begin(), shape.extents().end())); }

// A scheduler's fields for readers of strict JSON: what is not finite comes as text.
Json readable(Json scheduler) {
  const auto value = scheduler.find(kNonFiniteKey);
  if (value == scheduler.end() || !value->is_number_float() || std::isfinite(value->get<double>())) return scheduler;
  const double x = value->get<double>();
  *value = std::isnan(x) ? "NaN" : x > 0 ? "Infinity" : "-Infinity";
  return scheduler;
}

// Where weights lie, of which types they are, and what was looked at but not used.
Json describe_files(const WeightFiles& files, const std::string& folder, const std::string& variant) {
  Json names = Json::array(), types = Json::object(), metadata = Json::object();
  for (const auto& file : files.files()) {
    names.push_back(base_name(file->path()));
    for (const auto& [key, value] : file->metadata()) metadata[key] = value;
    for (const SafetensorsEntry& entry : file->entries()) types[entry.dtype] = types.value(entry.dtype, 0) + 1;
  }
  return {{"files", names},
          {"sharded", files.sharded()},
          {"variant", variant.empty() ? Json() : Json(variant)},
          {"variants_there", variants_in(folder)},
          {"tensors_of_type", types},
          {"metadata", metadata}};
}

// Other files of a folder of weights, by its own name in front.
void add_unread(const std::string& folder, const std::string& front, const WeightFiles& files, Json& ignored) {
  for (const std::string& name : list_directory(folder)) {
    const auto same = [&](const auto& file) { return base_name(file->path()) == name; };
    const bool read = name == "config.json" || name == base_name(files.source()) || std::ranges::any_of(files.files(), same);
    if (!read) ignored.push_back(front + name);
  }
}

// The U-Net of a folder, whose weights are looked at and not loaded. Adds to `ignored`.
Json describe_unet(const std::string& folder, const std::string& variant, const std::string& front, Json& ignored) {
  const UNetFolder read = read_unet_folder(folder);
  for (const std::string& key : read.unknown) ignored.push_back(front + "config.json: " + key);
  const UNet unet(read.config, {.allocate = false});
  const WeightFiles files(folder, variant);
  find_weights(files, unet.parameters());
  add_unread(folder, front, files, ignored);
  return {{"parameters", unet.tree().elements()},
          {"tensors", unet.parameters().size()},
          {"weights", describe_files(files, folder, variant)},
          {"unet", unet_config_to_json(read.config)}};
}

Json describe_model(const std::string& path, const std::string& variant) {
  const ModelIndex index = read_model_index(path);
  Json ignored = Json::array();
  Json result = describe_unet(join(path, "unet"), variant, "unet/", ignored);
  const SchedulerConfig scheduler = read_scheduler(path, index);
  for (const std::string& key : scheduler.unknown_fields()) ignored.push_back("scheduler/scheduler_config.json: " + key);
  for (const auto& [key, value] : index.json.items()) {
    if (!key.starts_with('_') && key != "unet" && key != "scheduler") ignored.push_back("model_index.json: " + key);
  }
  for (const std::string& name : list_directory(path)) {
    if (!is_of_model(name)) ignored.push_back(name);
  }
  const Labels labels = read_labels(path, unet_config_from_json(result["unet"], path));
  result.update({{"kind", "model"},
                 {"pipeline", index.pipeline},
                 {"components", {{"unet", "UNet2DModel"}, {"scheduler", index.scheduler_class}}},
                 {"class_names", labels.names},
                 {"no_label", labels.no_label < 0 ? Json() : Json(labels.no_label)},
                 {"scheduler", readable(parse_json(scheduler.json(), path))},
                 {"ignored", ignored}});
  return result;
}

Json describe_run(const std::string& path) {
  const std::string config = join(path, "config.json");
  const RunConfig c = run_config_from_json(read_json(config), config);
  const std::string newest = newest_checkpoint(path);
  const UNet unet(c.unet, {.allocate = false});
  Json written = run_config_to_json(c);
  written["scheduler"] = readable(written["scheduler"]);
  return {{"kind", "run"},
          {"finished", model_steps(path) == c.train.steps},
          {"newest_checkpoint", newest.empty() ? Json() : Json(newest)},
          {"parameters", unet.tree().elements()},
          {"config", written}};
}

// Where metrics.csv has come to: the last step and its loss, and the last held-out losses.
Json progress_of(const std::string& run) {
  Json result{{"step", 0}, {"loss", Json()}, {"held_out", Json()}};
  const std::string path = join(run, "metrics.csv");
  if (!exists(path)) return result;
  const std::string text = read_file(path, std::uint64_t{1} << 30);
  constexpr std::size_t kLoss = 1, kHeldOut = 6, kOfAverage = 11;  // columns
  for (std::size_t begin = text.find('\n') + 1, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    std::vector<std::string> fields(1);
    for (std::size_t i = begin; i < end; ++i) text[i] == ',' ? fields.emplace_back() : fields.back() += text[i];
    if (fields.size() <= kLoss) continue;
    const auto number = [&](std::size_t column) { return std::atof(fields[column].c_str()); };
    result["step"] = std::atoll(fields[0].c_str());
    result["loss"] = number(kLoss);
    if (fields.size() > kOfAverage) {
      result["held_out"] = {{"step", result["step"]}, {"loss", number(kHeldOut)}, {"loss_of_average", number(kOfAverage)}};
    }
  }
  return result;
}

Json describe_weights(const std::string& path) {
  const SafetensorsFile file(path);
  Json tensors = Json::array();
  std::int64_t elements = 0;
  for (const SafetensorsEntry& entry : file.entries()) {
    tensors.push_back({{"name", entry.name}, {"dtype", entry.dtype}, {"shape", entry.shape}});
    std::int64_t count = 1;
    for (const std::int64_t extent : entry.shape) count *= extent;
    elements += count;
  }
  return {{"kind", "weights"}, {"elements", elements}, {"metadata", file.metadata()}, {"tensors", tensors}};
}

Json describe_data(const std::string& path, const DataOptions& options) {
  const Data data = open_data(path, options);
  return {{"kind", "data"},
          {"samples", data.train->size()},
          {"test_samples", data.test ? Json(data.test->size()) : Json()},
          {"shape", extents(data.train->sample_shape())},
          {"class_names", data.train->class_names()}};
}

}  // namespace

std::string describe(const std::string& path, const DataOptions& options, const std::string& variant) try {
  const auto what = [&]() -> Json {
    if (lower_extension(path) == ".safetensors") return describe_weights(path);
    refuse_pickle(path);
    if (exists(join(path, "model_index.json"))) return describe_model(path, variant);
    if (path_kind(path) == PathKind::directory && is_unet_folder(path)) {
      Json ignored = Json::array();
      Json unet = describe_unet(path, variant, "", ignored);
      unet.update({{"kind", "unet"}, {"ignored", ignored}});
      return unet;
    }
    if (exists(join(path, "config.json"))) {
      Json run = describe_run(path);
      run.update(progress_of(path));
      return run;
    }
    if (path_kind(path) == PathKind::missing && path != "fashion-mnist") {
      throw Error(path + ": there is no such file or folder, and no data set of that name (known: fashion-mnist)");
    }
    if (path_kind(path) == PathKind::file && lower_extension(path) != ".csv") {
      throw Error(path + ": neither weights (.safetensors) nor numbers (.csv); models, runs and data are folders");
    }
    return describe_data(path, options);
  };
  Json json = what();
  json["path"] = path;
  return json_text(json);
} catch (...) {
  throw_as_error("describe");
}

}  // namespace eddy::inline v0_1
