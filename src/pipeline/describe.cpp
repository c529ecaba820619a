// What a path is.
#include <cstdlib>

#include "base/boundary.hpp"
#include "eddy/error.hpp"
#include "pipeline/run_config.hpp"
#include "pipeline/run_files.hpp"
#include "pipeline/unet_config.hpp"
#include "pipeline/weights.hpp"

namespace eddy::inline v0_1 {

namespace {

Json extents(const Shape& shape) { return Json(std::vector<std::int64_t>(shape.extents().begin(), shape.extents().end())); }

Json describe_model(const std::string& path) {
  const Model model = load_model(path);
  return {{"kind", "model"},
          {"parameters", model.unet.tree().elements()},
          {"tensors", model.unet.parameters().size()},
          {"class_names", model.class_names},
          {"no_label", model.no_label < 0 ? Json() : Json(model.no_label)},
          {"unet", unet_config_to_json(model.unet.config())},
          {"scheduler", Json::parse(model.scheduler.json())}};
}

Json describe_run(const std::string& path) {
  const std::string config = join(path, "config.json");
  const RunConfig c = run_config_from_json(read_json(config), config);
  const std::string newest = newest_checkpoint(path);
  const UNet unet(c.unet, {.allocate = false});
  return {{"kind", "run"},
          {"finished", model_steps(path) == c.train.steps},
          {"newest_checkpoint", newest.empty() ? Json() : Json(newest)},
          {"parameters", unet.tree().elements()},
          {"config", run_config_to_json(c)}};
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

std::string describe(const std::string& path, const DataOptions& options) try {
  const auto what = [&]() -> Json {
    if (lower_extension(path) == ".safetensors") return describe_weights(path);
    if (exists(join(path, "model_index.json"))) return describe_model(path);
    if (exists(join(path, "config.json")) && exists(join(path, "diffusion_pytorch_model.safetensors"))) {
      const UNet unet = load_unet(path);
      return {{"kind", "unet"}, {"parameters", unet.tree().elements()}, {"unet", unet_config_to_json(unet.config())}};
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
