// What layouts share, and which one a file has.
#include "pipeline/layout.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

namespace {

std::vector<std::string> split(const std::string& name) {
  std::vector<std::string> parts(1);
  for (const char c : name) c == '.' ? parts.emplace_back() : parts.back() += c;
  return parts;
}

std::string joined(const std::vector<std::string>& parts, std::size_t first) {
  std::string text;
  for (std::size_t i = first; i < parts.size(); ++i) text += (i == first ? "" : ".") + parts[i];
  return text;
}

std::size_t number(const std::string& text) {
  std::size_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

Tensors::Tensors(const WeightFiles& files) : files_(&files) {
  for (const char* prefix : {"model.", "module."}) {
    const auto begins = [prefix](const auto& item) { return item.first.starts_with(prefix); };
    if (!files.tensors().empty() && std::ranges::all_of(files.tensors(), begins)) prefix_ = prefix;
  }
}

bool Tensors::any(const std::string& beginning) const {
  const auto found = files_->tensors().lower_bound(prefix_ + beginning);
  return found != files_->tensors().end() && found->first.starts_with(prefix_ + beginning);
}

std::int64_t Tensors::extent(const std::string& name, std::size_t axis) const {
  const WeightFiles::Place* place = find(name);
  if (place == nullptr) throw Error(source() + ": there is no " + prefix_ + name);
  const auto& shape = place->entry->shape;
  if (axis >= shape.size()) {
    throw Error(source() + ": " + prefix_ + name + " must have more than " + std::to_string(axis) + " extents");
  }
  return shape[axis];
}

int Tensors::count(const std::string& beginning, const std::string& end) const {
  constexpr int kMost = 1000;
  int n = 0;
  while (n < kMost && has(beginning + std::to_string(n) + end)) ++n;
  return n;
}

std::vector<std::string> Tensors::names() const {
  std::vector<std::string> result;
  for (const auto& [name, place] : files_->tensors()) result.push_back(name.substr(prefix_.size()));
  return result;
}

// down_blocks.1.resnets.0.conv1.weight, mid_block.attentions.0.to_q.bias, up_blocks.0.upsamplers.0.conv.weight
ParameterName parse_name(const std::string& name) {
  const std::vector<std::string> parts = split(name);
  ParameterName result{.rest = name};
  std::size_t at = 1;
  if (parts[0] == "down_blocks" || parts[0] == "up_blocks") {
    result.where = parts[0] == "up_blocks" ? ParameterName::Where::up : ParameterName::Where::down;
    result.level = number(parts[at++]);
  } else if (parts[0] == "mid_block") {
    result.where = ParameterName::Where::middle;
  } else {
    return result;
  }
  result.what = parts[at] == "resnets"      ? ParameterName::What::resnet
                : parts[at] == "attentions" ? ParameterName::What::attention
                                            : ParameterName::What::sampler;
  result.index = number(parts[at + 1]);
  result.rest = joined(parts, at + 2);
  return result;
}

std::string renamed(const std::string& text, const std::vector<std::pair<std::string, std::string>>& pairs) {
  for (const auto& [from, to] : pairs) {
    if (text.starts_with(from)) return to + text.substr(from.size());
  }
  return text;
}

int part_of_qkv(const std::string& rest) {
  constexpr std::array<const char*, 3> kParts{"to_q.", "to_k.", "to_v."};
  for (int i = 0; i < 3; ++i) {
    if (rest.starts_with(kParts[static_cast<std::size_t>(i)])) return i;
  }
  return -1;
}

std::int64_t channels_at(const UNetConfig& config, const ParameterName& name) {
  const auto& channels = config.block_out_channels;
  if (name.where == ParameterName::Where::down) return channels[name.level];
  return name.where == ParameterName::Where::up ? channels[channels.size() - 1 - name.level] : channels.back();
}

Json ddpm_scheduler(const UNetConfig& config, const Tensors& /*tensors*/) {
  const bool learned = config.out_channels == 2 * config.in_channels;
  return {{"_class_name", "DDPMScheduler"},
          {"num_train_timesteps", 1000},
          {"beta_start", 1e-4},
          {"beta_end", 0.02},
          {"beta_schedule", "linear"},
          {"prediction_type", "epsilon"},
          {"clip_sample", true},
          {"variance_type", learned ? "learned_range" : "fixed_small"}};
}

const Layout* layout_of(const Tensors& tensors) {
  if (tensors.has("conv_in.weight") && tensors.has("time_embedding.linear_1.weight")) return nullptr;
  for (const Layout* layout : {&kDdpmLayout, &kGuidedLayout, &kEdmLayout}) {
    if (layout->fits(tensors)) return layout;
  }
  std::string why;
  if (tensors.any("all_modules.")) why = " (that of score_sde's NCSN++ and DDPM++, which is not understood)";
  if (tensors.has("map_layer0.weight") && tensors.any("dec.")) {
    why = " (that of EDM's SongUNet, which no UNet2DModel equals: it scales every block by sqrt(1/2) and attends once a level on the "
          "way up)";
  }
  const std::vector<std::string> names = tensors.names();
  std::string first;
  for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 3); ++i) {
    first += (i == 0 ? "" : ", ") + names[i].substr(0, 100);
  }
  throw Error(tensors.source() + ": names of an unknown layout" + why + ", as " + (first.empty() ? "no tensor at all" : first) +
              "; understood are diffusers' UNet2DModel, " + kDdpmLayout.name + ", " + kGuidedLayout.name + " and " +
              kEdmLayout.name);
}

}  // namespace eddy::inline v0_1
