// The names of EDM's DhariwalUNet [Karras2022]: enc.32x32_block0.conv0.weight, dec.8x8_in0.qkv.weight, map_layer0.weight, with or
// without the "model." of the preconditioner around it. A block holds its attention; the step down to a size and the step up
// to it are the blocks RxR_down and RxR_up. Rows of qkv alternate: query, key and value of each channel. Heads have 64 channels,
// norms min(32, channels / 4) groups; sinusoids come as [cos, sin]. Labels are one-hot rows times map_label, which are the
// columns of its weight.
//
// The network alone is converted, F of D(x, sigma) = c_skip x + c_out F(c_in x, ln(sigma) / 4) [Karras2022, Eq. 7];
// map_augment, which sampling does not use, is left out.
#include <set>

#include "eddy/error.hpp"
#include "pipeline/layout.hpp"

namespace eddy::inline v0_1 {

namespace {

bool fits(const Tensors& t) { return t.has("map_layer0.weight") && t.has("out_conv.weight") && t.any("enc."); }

std::string at(const char* way, std::int64_t size, const std::string& what) {
  return std::string(way) + "." + std::to_string(size) + "x" + std::to_string(size) + "_" + what;
}

// The size that the picture itself has: that of enc.64x64_conv.
std::int64_t full_size(const Tensors& t) {
  constexpr std::int64_t kMost = 1 << 20;
  for (const std::string& name : t.names()) {
    if (!name.starts_with("enc.") || !name.ends_with("_conv.weight")) continue;
    const std::int64_t size = std::atoll(name.c_str() + 4);
    if (size > 0 && size <= kMost && name == at("enc", size, "conv.weight")) return size;
  }
  throw Error(t.source() + ": there is no enc.NxN_conv.weight");
}

// One number of groups for all norms, as a UNet2DModel has.
std::int64_t groups_of(const Tensors& t) {
  std::set<std::int64_t> groups;
  for (const std::string& name : t.names()) {
    const bool norm = name.ends_with("norm0.weight") || name.ends_with("norm1.weight") || name.ends_with("norm2.weight");
    if (norm || name == "out_norm.weight") groups.insert(std::min<std::int64_t>(32, t.extent(name, 0) / 4));
  }
  if (groups.size() != 1) {
    throw Error(t.source() + ": its norms have different numbers of groups, as some have fewer than 128 channels; no UNet2DModel " +
                "has that");
  }
  return *groups.begin();
}

Json deduce(const Tensors& t) {
  const std::int64_t size = full_size(t), groups = groups_of(t);
  const int layers = t.count(at("enc", size, "block"), ".conv0.weight");
  Json channels = Json::array(), down = Json::array(), up = Json::array();
  for (std::int64_t s = size; s > 0 && t.has(at("enc", s, "block0.conv0.weight")); s /= 2) {
    const bool attends = t.has(at("enc", s, "block0.qkv.weight"));
    const std::int64_t c = t.extent(at("enc", s, "block0.conv0.weight"), 0);
    if (attends && c % 64 != 0) throw Error(t.source() + ": heads have 64 channels, which do not divide " + std::to_string(c));
    channels.push_back(c);
    down.push_back(attends ? "AttnDownBlock2D" : "ResnetDownsampleBlock2D");
    up.insert(up.begin(), attends ? "AttnUpBlock2D" : "ResnetUpsampleBlock2D");
  }
  if (channels.empty()) throw Error(t.source() + ": there is no " + at("enc", size, "block0.conv0.weight"));
  const std::int64_t smallest = size >> (channels.size() - 1);
  return {{"sample_size", size},
          {"in_channels", t.extent(at("enc", size, "conv.weight"), 1)},
          {"out_channels", t.extent("out_conv.weight", 0)},
          {"time_embedding_dim", t.extent("map_layer0.weight", 0)},
          {"block_out_channels", channels},
          {"down_block_types", down},
          {"up_block_types", up},
          {"layers_per_block", layers},
          {"downsample_type", "resnet"},
          {"upsample_type", "resnet"},
          {"resnet_time_scale_shift", "scale_shift"},
          {"attention_head_dim", 64},
          {"norm_num_groups", groups},
          {"attn_norm_num_groups", groups},
          {"add_attention", t.has(at("dec", smallest, "in0.qkv.weight"))},
          {"num_class_embeds", t.has("map_label.weight") ? Json(t.extent("map_label.weight", 1)) : Json()}};
}

std::string block(const ParameterName& name, std::int64_t size, std::size_t levels) {
  const std::size_t smallest = levels - 1;
  const bool step = name.what == ParameterName::What::sampler;
  const std::string index = std::to_string(name.index);
  switch (name.where) {
    case ParameterName::Where::down:
      return step ? at("enc", size >> (name.level + 1), "down.") : at("enc", size >> name.level, "block" + index + ".");
    case ParameterName::Where::up: {
      const std::size_t level = smallest - name.level;
      return step ? at("dec", size >> (level - 1), "up.") : at("dec", size >> level, "block" + index + ".");
    }
    default: return at("dec", size >> smallest, "in" + index + ".");
  }
}

Origin origin(const std::string& parameter, const UNetConfig& config, const Tensors& t, bool /*new_attention_order*/) {
  const ParameterName name = parse_name(parameter);
  const std::int64_t size = full_size(t);
  if (parameter == "class_embedding.weight") return {.names = {"map_label.weight"}, .transposed = true};
  if (name.where == ParameterName::Where::outside) {
    return {{renamed(parameter, {{"conv_in.", at("enc", size, "conv.")},
                                 {"time_embedding.linear_1.", "map_layer0."},
                                 {"time_embedding.linear_2.", "map_layer1."},
                                 {"conv_norm_out.", "out_norm."},
                                 {"conv_out.", "out_conv."}})}};
  }
  const std::string place = block(name, size, config.block_out_channels.size());
  if (name.what != ParameterName::What::attention) {
    return {{place + renamed(name.rest, {{"norm1.", "norm0."},
                                         {"conv1.", "conv0."},
                                         {"time_emb_proj.", "affine."},
                                         {"norm2.", "norm1."},
                                         {"conv2.", "conv1."},
                                         {"conv_shortcut.", "skip."}})}};
  }
  const int part = part_of_qkv(name.rest);
  if (part >= 0) return {{place + "qkv" + name.rest.substr(name.rest.find('.'))}, 1, part};
  return {{place + renamed(name.rest, {{"group_norm.", "norm2."}, {"to_out.0.", "proj."}})}};
}

// Filters of steps up and down are all [1, 1]: the mean of four, and nearest.
bool spare(const std::string& name, const Tensors& t) {
  if (name == "map_augment.weight") return true;
  if (!name.ends_with(".resample_filter")) return false;
  if (t.find(name)->entry->shape != std::vector<std::int64_t>{1, 1, 2, 2}) {
    throw Error(t.source() + ": " + name + " must be 1 x 1 x 2 x 2");
  }
  return true;
}

Json scheduler(const UNetConfig& /*config*/, const Tensors& /*tensors*/) {
  return {{"_class_name", "EDMEulerScheduler"},
          {"num_train_timesteps", 1000},
          {"prediction_type", "epsilon"},
          {"sigma_min", 0.002},
          {"sigma_max", 80.0},
          {"sigma_data", 0.5},
          {"rho", 7.0}};
}

}  // namespace

const Layout kEdmLayout{"EDM's DhariwalUNet (enc.64x64_block0, map_layer0)", fits, deduce, origin, spare, scheduler};

}  // namespace eddy::inline v0_1
