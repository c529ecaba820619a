// From a folder of another float type, or a file of another program's names, to a model folder. Tensors go through one by one.
#include <algorithm>
#include <cstring>
#include <memory>
#include <set>

#include "base/boundary.hpp"
#include "base/files.hpp"
#include "eddy/error.hpp"
#include "eddy/pipeline.hpp"
#include "io/element_type.hpp"
#include "pipeline/folder_files.hpp"
#include "pipeline/layout.hpp"
#include "pipeline/model_index.hpp"
#include "pipeline/unet_config.hpp"
#include "pipeline/weights.hpp"

namespace eddy::inline v0_1 {

namespace {

struct Source {
  std::shared_ptr<WeightFiles> files;  // stays open while its tensors are written
  Json index{}, unet{}, scheduler{};
  std::vector<TensorToWrite> tensors{};
};

void note(const ConvertOptions& o, const std::string& text) {
  if (o.on_note) o.on_note(text);
}

std::string type_of(const SafetensorsEntry& entry, const ConvertOptions& o) {
  if (o.dtype) return file_type(*o.dtype);
  return entry.dtype == "F64" ? "F32" : entry.dtype;
}

std::vector<std::int64_t> extents(const Parameter& p) { return {p.shape().extents().begin(), p.shape().extents().end()}; }

// The rows of one part of [queries, keys, values]; a row is `row` bytes.
std::vector<char> rows_of_part(const std::vector<char>& all, std::size_t rows, const Origin& origin) {
  const auto block = static_cast<std::size_t>(origin.block), part = static_cast<std::size_t>(origin.part);
  const std::size_t row = all.size() / (3 * rows);
  std::vector<char> result(rows * row);
  for (std::size_t i = 0; i < rows; ++i) {
    const std::size_t from = i / block * 3 * block + part * block + i % block;
    std::memcpy(result.data() + i * row, all.data() + from * row, row);
  }
  return result;
}

std::vector<char> transposed(const std::vector<char>& all, std::size_t rows, std::size_t columns) {
  const std::size_t size = all.size() / (rows * columns);
  std::vector<char> result(all.size());
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < columns; ++j) {
      std::memcpy(result.data() + (j * rows + i) * size, all.data() + (i * columns + j) * size, size);
    }
  }
  return result;
}

TensorToWrite written(const Parameter& p, WeightFiles::Place place, const Origin& origin, const ConvertOptions& o) {
  const std::string type = type_of(*place.entry, o);
  return {p.name(), type, extents(p), [=, shape = extents(p)](const ByteSink& sink) {
            std::vector<char> bytes = place.file->read_bytes(*place.entry);
            const auto size_at = [&](std::size_t axis) { return static_cast<std::size_t>(shape[axis]); };
            if (origin.block > 0) bytes = rows_of_part(bytes, size_at(0), origin);
            if (origin.transposed) bytes = transposed(bytes, size_at(1), size_at(0));
            const std::size_t n = bytes.size() * 8 / bits_of(place.entry->dtype), size = bits_of(type) / 8;
            if (type == place.entry->dtype) return sink(bytes.data(), bytes.size());
            std::vector<char> result(n * size);
            convert_elements(place.entry->dtype, bytes.data(), n, type, result.data());
            sink(result.data(), result.size());
          }};
}

// A convolution of one tap has the weights of a linear layer.
std::vector<std::int64_t> without_ones(std::vector<std::int64_t> shape) {
  while (!shape.empty() && shape.back() == 1) shape.pop_back();
  return shape;
}

// The tensor that holds a parameter, with its shape, by the layout.
WeightFiles::Place place_of(const Parameter& p, const Origin& origin, const Tensors& tensors) {
  const auto found = std::ranges::find_if(origin.names, [&](const std::string& name) { return tensors.has(name); });
  if (found == origin.names.end()) {
    throw Error(tensors.source() + ": there is no " + origin.names.front() + " (diffusers' " + p.name() + ")");
  }
  const WeightFiles::Place place = *tensors.find(*found);
  std::vector<std::int64_t> wanted = extents(p);
  if (origin.block > 0) wanted[0] *= 3;
  if (origin.transposed) std::ranges::reverse(wanted);
  if (without_ones(wanted) != without_ones(place.entry->shape)) {
    throw Error(tensors.source() + ": " + *found + " must be " + shape_text(wanted) + " to be diffusers' " + p.name() + ", got " +
                shape_text(place.entry->shape));
  }
  place.file->check_floating(*place.entry);
  return place;
}

void check_left_over(const Layout& layout, const Tensors& tensors, const std::set<const SafetensorsEntry*>& used,
                     const ConvertOptions& o) {
  for (const std::string& name : tensors.names()) {
    if (used.contains(tensors.find(name)->entry)) continue;
    if (!layout.spare(name, tensors)) {
      throw Error(tensors.source() + ": " + name.substr(0, 200) + " has no place in a UNet2DModel of this configuration");
    }
    if (!name.ends_with(".resample_filter")) note(o, name + " is left out: sampling does not use it");
  }
}

// The fields that were deduced, overlaid with those of `config`.
Json configuration(const Layout* layout, const Tensors& tensors, const ConvertOptions& o) {
  Json given = o.config.empty() ? Json::object() : read_json(o.config);
  JsonFields fields(given, o.config);
  if (given.value("_class_name", Json("UNet2DModel")) != "UNet2DModel") fields.refuse("_class_name", "UNet2DModel");
  if (layout == nullptr && o.config.empty()) {
    throw Error(tensors.source() + ": names of diffusers, of which the configuration is not deduced; give the model's config.json " +
                "(--config FILE)");
  }
  Json json = layout != nullptr ? layout->deduce(tensors) : Json::object();
  json.update(given);
  const bool heads = json.contains("attention_head_dim");
  const auto names = tensors.names();
  if (!heads && std::ranges::any_of(names, [](const std::string& name) { return name.ends_with(".qkv.weight"); })) {
    throw Error(tensors.source() + ": no shape tells how many channels a head of attention has; give it in --config FILE, as " +
                R"({"attention_head_dim": 64})");
  }
  return json;
}

Source of_file(const std::string& path, const ConvertOptions& o) {
  Source source{.files = std::make_shared<WeightFiles>(path, o.variant)};
  const Tensors tensors(*source.files);
  const Layout* layout = layout_of(tensors);
  const Json json = configuration(layout, tensors, o);
  const UNetConfig config = unet_config_from_json(json, o.config.empty() ? path : o.config, [](const std::string&) {});
  source.unet = unet_json(config, {});
  source.scheduler = with_version(layout != nullptr ? layout->scheduler(config, tensors) : ddpm_scheduler(config, tensors));
  const std::string kind = source.scheduler["_class_name"];
  if (kind == "CMStochasticIterativeScheduler") source.index["_class_name"] = "ConsistencyModelPipeline";
  const UNet unet(config, {.allocate = false});
  std::set<const SafetensorsEntry*> used;
  std::vector<WeightFiles::Place> places;
  if (layout == nullptr) places = find_weights(*source.files, unet.parameters());
  for (std::size_t i = 0; i < unet.parameters().size(); ++i) {
    const Parameter& p = unet.parameters()[i];
    const Origin origin = layout != nullptr ? layout->origin(p.name(), config, tensors, o.new_attention_order) : Origin{};
    const WeightFiles::Place place = layout != nullptr ? place_of(p, origin, tensors) : places[i];
    used.insert(place.entry);
    source.tensors.push_back(written(p, place, origin, o));
  }
  if (layout != nullptr) check_left_over(*layout, tensors, used, o);
  note(o, path + ": names of " + std::string(layout != nullptr ? layout->name : "diffusers"));
  if (o.scheduler.empty()) note(o, "scheduler: " + kind + " by default; --scheduler FILE gives another scheduler_config.json");
  return source;
}

Source of_folder(const std::string& path, const ConvertOptions& o) {
  if (!o.config.empty()) throw Error("--config is for a file of weights; " + path + " has its configuration");
  const std::string unet_folder = join(path, "unet");
  const ModelIndex index = read_model_index(path);
  const UNetFolder folder = read_unet_folder(unet_folder);
  Source source{.files = std::make_shared<WeightFiles>(unet_folder, o.variant), .index = index.json, .unet = folder.json};
  source.scheduler = read_json(join(path, "scheduler/scheduler_config.json"));
  const UNet unet(folder.config, {.allocate = false});
  const auto places = find_weights(*source.files, unet.parameters());
  for (std::size_t i = 0; i < places.size(); ++i) source.tensors.push_back(written(unet.parameters()[i], places[i], {}, o));
  return source;
}

// Whether a path is in a folder, at any depth, or is the folder. Going up by "..", the system follows links.
bool lies_in(const std::string& path, const std::string& folder) {
  std::string at = path_kind(path) == PathKind::directory ? path : parent(path);
  for (int depth = 0; depth < 100 && !same_path(at, folder); ++depth) {
    if (same_path(at, join(at, ".."))) return false;
    at = join(at, "..");
  }
  return same_path(at, folder);
}

// Nothing is lost unasked: neither what is read, nor a model that lies there.
void check_target(const std::string& from, const std::string& to, const ConvertOptions& o) {
  if (lies_in(from, to) || same_path(join(from, "model"), to)) {  // a run's model is read where it is finished
    throw Error(to + ": is or holds what is converted, " + from + "; choose another folder");
  }
  kept_beside_model(to);  // throws Error where the folder is of another kind
  if (o.overwrite || path_kind(to) != PathKind::directory || !std::ranges::any_of(list_directory(to), is_of_model)) return;
  throw Error(to + ": holds a model already; choose another folder, or overwrite it (--overwrite)");
}

}  // namespace

void convert_model(const std::string& from, const std::string& to, const ConvertOptions& o) try {
  const PathKind kind = path_kind(from);
  if (kind == PathKind::file) refuse_pickle(from);
  if (kind == PathKind::missing) throw Error(from + ": there is no such file or folder");
  check_target(from, to, o);
  const bool folder = kind == PathKind::directory;
  if (folder && !exists(join(from, "model_index.json"))) {  // a run
    if (!o.config.empty() || !o.scheduler.empty() || !o.variant.empty()) {
      throw Error(from + ": is no model folder (model_index.json), whose configuration, scheduler or variant could be chosen");
    }
    return save_model(to, load_model(from), {o.dtype.value_or(DType::f32), o.save_variant, o.max_shard_size});
  }
  Source source = folder ? of_folder(from, o) : of_file(from, o);
  if (!o.scheduler.empty()) source.scheduler = read_json(o.scheduler);
  const Json scheduler_class = source.scheduler.is_object() ? source.scheduler.value("_class_name", Json()) : Json();
  if (!scheduler_class.is_string() && (!folder || !o.scheduler.empty())) {
    throw Error((o.scheduler.empty() ? from : o.scheduler) + ": _class_name: must be the class of a scheduler, got " +
                scheduler_class.dump());
  }
  const bool keeps = folder && o.scheduler.empty();
  const std::string known = (keeps ? source.index["scheduler"][1] : scheduler_class).get<std::string>();
  write_model_folder(to, {.index = model_index_json(source.index, known),
                          .unet = std::move(source.unet),
                          .scheduler = std::move(source.scheduler),
                          .labels = {},
                          .tensors = std::move(source.tensors),
                          .variant = o.save_variant,
                          .max_shard_size = o.max_shard_size,
                          .also = folder ? from : std::string{}});
} catch (...) {
  throw_as_error("convert_model");
}

}  // namespace eddy::inline v0_1
