// Weights of a folder: which files, shards and variants.
#include "pipeline/weight_files.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>
#include <string_view>

#include "eddy/error.hpp"
#include "io/element_type.hpp"
#include "io/json.hpp"
#include "pipeline/layout.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr std::string_view kStem = "diffusion_pytorch_model", kEnding = ".safetensors", kIndex = ".safetensors.index";

std::string dotted(const std::string& variant) { return variant.empty() ? "" : "." + variant; }

std::string file_name(const std::string& variant, const std::string& shard = {}) {
  return std::string(kStem) + dotted(variant) + shard + std::string(kEnding);
}

std::string index_name(const std::string& variant) {
  return std::string(kStem) + std::string(kIndex) + dotted(variant) + ".json";
}

// diffusers before 0.31 put the variant elsewhere.
std::string old_index_name(const std::string& variant) {
  return std::string(kStem) + ".safetensors" + dotted(variant) + ".index.json";
}

// "" unless the name is that of weights without shards, or of an index; then its variant, after a dot.
bool variant_of(std::string_view name, std::string& variant) {
  if (!name.starts_with(kStem)) return false;
  name.remove_prefix(kStem.size());
  if (name.starts_with(kIndex) && name.ends_with(".json")) {
    name = name.substr(kIndex.size(), name.size() - kIndex.size() - 5);
  } else if (name.ends_with(kEnding)) {
    name.remove_suffix(kEnding.size());
  } else if (name.starts_with(kEnding) && name.ends_with(".index.json")) {
    name = name.substr(kEnding.size(), name.size() - kEnding.size() - 11);
  } else {
    return false;
  }
  if (!name.empty() && (name.front() != '.' || name.find("-of-") != std::string_view::npos)) return false;
  variant = name.empty() ? "" : std::string(name.substr(1));
  return true;
}

// Where diffusers' model holds a tensor, which decides how it is cut into shards: modules in the order in which UNet2DModel makes
// them (the way up before the middle), and in a block all attention before all residual blocks.
std::array<std::size_t, 4> place_in_model(const std::string& tensor) {
  constexpr std::array<std::string_view, 9> kModules{"conv_in.",     "time_proj.", "time_embedding.", "class_embedding.", "down_blocks.",
                                                     "up_blocks.",   "mid_block.", "conv_norm_out.",  "conv_out."};
  const auto module = std::ranges::find_if(kModules, [&](std::string_view name) { return tensor.starts_with(name); });
  const ParameterName name = parse_name(tensor);
  std::array<std::size_t, 4> place{static_cast<std::size_t>(module - kModules.begin()), name.level, 0, 0};
  if (name.where == ParameterName::Where::outside) return place;
  constexpr std::array<ParameterName::What, 3> kOrder{ParameterName::What::attention, ParameterName::What::resnet,
                                                      ParameterName::What::sampler};
  place[2] = static_cast<std::size_t>(std::ranges::find(kOrder, name.what) - kOrder.begin());
  if (name.what != ParameterName::What::sampler) place[3] = name.index;
  return place;
}

[[noreturn]] void fail_without(const std::string& folder, const std::string& variant) {
  if (path_kind(folder) != PathKind::directory) throw Error(folder + ": there is no such folder");
  const std::vector<std::string> there = variants_in(folder);
  std::string names;
  for (const std::string& name : there) names += (names.empty() ? "" : ", ") + (name.empty() ? "one without a name" : name);
  const std::string wanted = variant.empty() ? "" : "of the variant '" + variant + "' ";
  if (!there.empty()) {
    throw Error(join(folder, file_name(variant)) + ": there are no weights " + wanted + "here; variants: " + names +
                (variant.empty() ? "; give one (--variant " + there.front() + ")" : ""));
  }
  for (const std::string& name : list_directory(folder)) {
    if (name.starts_with(kStem)) refuse_pickle(join(folder, name));
  }
  throw Error(join(folder, file_name(variant)) + ": there is no such file");
}

}  // namespace

void check_variant(const std::string& variant) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  };
  const bool name = std::ranges::all_of(variant, good) && variant.find("..") == std::string::npos && variant.size() <= 100;
  if (!name || variant.find("-of-") != std::string::npos) {
    throw Error("a variant is a name of letters, digits, _, - and single dots, as fp16, without -of-; got '" +
                variant.substr(0, 200) + "'");
  }
}

void refuse_pickle(const std::string& path) {
  constexpr std::array<std::string_view, 5> kPickles{".bin", ".ckpt", ".pt", ".pth", ".pkl"};
  const std::string ending = lower_extension(path);
  if (std::ranges::find(kPickles, ending) == kPickles.end()) return;
  const std::string target = path.substr(0, path.size() - ending.size()) + ".safetensors";
  const std::string state = ending == ".pkl" ? "pickle.load(open(r'" + path + "','rb'))['ema'].state_dict()"
                                             : "torch.load(r'" + path + "',map_location='cpu',weights_only=True)";
  throw Error(path + ": a pickle can run any program and is not read; make it safetensors with\n" +
              "  python -c \"import pickle,torch,safetensors.torch as s; d=" + state + "; d=d.get('state_dict',d); " +
              "s.save_file({k:v.clone().contiguous() for k,v in d.items() if torch.is_tensor(v)},r'" + target +
              "',{'format':'pt'})\"" + (ending == ".pkl" ? "\nrun in the folder of the program that wrote it" : ""));
}

std::vector<std::string> variants_in(const std::string& folder) {
  std::set<std::string> result;
  std::string variant;
  for (const std::string& name : list_directory(folder)) {
    if (variant_of(name, variant)) result.insert(variant);
  }
  return {result.begin(), result.end()};
}

WeightFiles::WeightFiles(const std::string& path, const std::string& variant) {
  check_variant(variant);
  if (path_kind(path) == PathKind::file) {
    if (!variant.empty()) throw Error(path + ": is one file and has no variant '" + variant + "'");
    refuse_pickle(path);
    source_ = path;
  } else {
    for (const std::string& name : {index_name(variant), old_index_name(variant), file_name(variant)}) {
      source_ = join(path, name);
      if (exists(source_)) break;
    }
    if (!exists(source_)) fail_without(path, variant);
    sharded_ = source_.ends_with(".json");
  }
  if (sharded_) {
    read_index(path);
    return;
  }
  files_.push_back(std::make_unique<SafetensorsFile>(source_));
  for (const SafetensorsEntry& entry : files_.front()->entries()) tensors_[entry.name] = {files_.front().get(), &entry};
}

void WeightFiles::read_index(const std::string& folder) {
  const Json json = read_json(source_);
  JsonFields fields(json, source_);
  const Json& map = fields.raw("weight_map");
  if (!map.is_object() || map.empty()) fields.refuse("weight_map", "an object of the shard of each tensor");
  std::map<std::string, const SafetensorsFile*> shards;
  for (const auto& [tensor, value] : map.items()) {
    const std::string shard = value.is_string() ? value.get<std::string>() : "";
    const std::string where = source_ + ": weight_map: " + tensor.substr(0, 200) + ": ";
    if (shard.find_first_of("/\\") != std::string::npos || !shard.ends_with(kEnding) || shard.starts_with(".")) {
      throw Error(where + "must be the name of a .safetensors file in the same folder, got " +
                  value.dump(-1, ' ', true).substr(0, 200));
    }
    const SafetensorsFile*& file = shards[shard];
    if (file == nullptr) {
      if (!exists(join(folder, shard))) throw Error(where + "the shard " + join(folder, shard) + " is missing");
      files_.push_back(std::make_unique<SafetensorsFile>(join(folder, shard)));
      file = files_.back().get();
    }
    const SafetensorsEntry* entry = file->find(tensor);
    if (entry == nullptr) throw Error(where + "the shard " + file->path() + " has no such tensor");
    tensors_[tensor] = {file, entry};
  }
  for (const auto& file : files_) {
    for (const SafetensorsEntry& entry : file->entries()) {
      const Place* place = find(entry.name);
      if (place == nullptr || place->file != file.get()) {
        throw Error(file->path() + ": " + entry.name.substr(0, 200) + " is not this shard's by " + source_);
      }
    }
  }
}

const WeightFiles::Place* WeightFiles::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

void write_weights(const std::string& folder, std::vector<TensorToWrite> tensors, const std::string& variant,
                   std::uint64_t max_shard_size) {
  check_variant(variant);
  std::ranges::stable_sort(tensors, {}, [](const TensorToWrite& tensor) { return place_in_model(tensor.name); });
  std::vector<std::vector<TensorToWrite>> shards;
  std::vector<TensorToWrite> open;  // of the shard that is being filled
  std::uint64_t open_size = 0, total = 0;
  for (const TensorToWrite& tensor : tensors) {
    const std::uint64_t size = bytes_of(tensor);
    total += size;
    if (size > max_shard_size) {
      shards.push_back({tensor});
      continue;
    }
    if (open_size + size > max_shard_size) {
      shards.push_back(std::move(open));
      open.clear();
      open_size = 0;
    }
    open.push_back(tensor);
    open_size += size;
  }
  if (!open.empty()) shards.push_back(std::move(open));
  if (shards.size() == 1) return write_safetensors(join(folder, file_name(variant)), shards.front());
  Json map = Json::object();
  for (std::size_t i = 0; i < shards.size(); ++i) {
    char number[32];
    std::snprintf(number, sizeof number, "-%05zu-of-%05zu", i + 1, shards.size());
    const std::string name = file_name(variant, number);
    for (const TensorToWrite& tensor : shards[i]) map[tensor.name] = name;
    write_safetensors(join(folder, name), shards[i]);
  }
  write_json(join(folder, index_name(variant)), {{"metadata", {{"total_size", total}}}, {"weight_map", map}});
}

}  // namespace eddy::inline v0_1
