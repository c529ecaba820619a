// The fields of diffusers' UNet2DModel, one line each, both ways.
//
// A value that diffusers takes in several forms ("swish", [8, 8], 1.0, null for a default) is written as it was read, as
// long as it still means the field's value.
#include "pipeline/unet_config.hpp"

#include <algorithm>

#include "pipeline/names.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr Name<DownBlock> kDown[]{{"DownBlock2D", DownBlock::down},
                                  {"ResnetDownsampleBlock2D", DownBlock::resnet_down},
                                  {"AttnDownBlock2D", DownBlock::attn_down},
                                  {"SkipDownBlock2D", DownBlock::skip_down},
                                  {"AttnSkipDownBlock2D", DownBlock::attn_skip_down},
                                  {"KDownBlock2D", DownBlock::k_down}};
constexpr Name<UpBlock> kUp[]{{"UpBlock2D", UpBlock::up},
                              {"ResnetUpsampleBlock2D", UpBlock::resnet_up},
                              {"AttnUpBlock2D", UpBlock::attn_up},
                              {"SkipUpBlock2D", UpBlock::skip_up},
                              {"AttnSkipUpBlock2D", UpBlock::attn_skip_up},
                              {"KUpBlock2D", UpBlock::k_up}};
constexpr Name<Resampling> kResampling[]{{"conv", Resampling::conv}, {"resnet", Resampling::resnet}};
constexpr Name<TimeEmbedding> kTimeEmbedding[]{{"positional", TimeEmbedding::positional},
                                               {"fourier", TimeEmbedding::fourier},
                                               {"learned", TimeEmbedding::learned}};
constexpr Name<TimeScaleShift> kTime[]{{"default", TimeScaleShift::add}, {"scale_shift", TimeScaleShift::scale_shift}};
constexpr Name<Activation> kActivation[]{{"silu", Activation::silu}, {"swish", Activation::silu}, {"mish", Activation::mish},
                                         {"gelu", Activation::gelu}, {"relu", Activation::relu}};
constexpr Name<ClassEmbedding> kClass[]{{"timestep", ClassEmbedding::timestep}, {"identity", ClassEmbedding::identity}};

constexpr std::int64_t kMost = 1 << 20;

void read_size(JsonFields& fields, UNetConfig& c) {
  const Json& size = fields.raw("sample_size");
  if (size.is_array()) {
    const auto both = fields.integers("sample_size", {}, 1, kMost);
    if (both.size() != 2) fields.refuse("sample_size", "one size, or height and width");
    c.sample_height = both[0];
    c.sample_width = both[1];
  } else {
    c.sample_height = c.sample_width = fields.integer("sample_size", 0, 1, kMost);
  }
}

std::string lower_case(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

// diffusers takes the names of blocks with the prefix UNetRes too.
template <class T, std::size_t n>
std::vector<T> block_types(JsonFields& f, const std::string& key, const std::vector<T>& otherwise, const Name<T> (&names)[n]) {
  if (!f.has(key)) return f.raw(key), otherwise;
  constexpr std::string_view prefix = "UNetRes";
  std::vector<T> result;
  for (const std::string& text : f.texts(key, {})) {
    result.push_back(named(f, key, text.starts_with(prefix) ? text.substr(prefix.size()) : text, names));
  }
  return result;
}

std::vector<std::pair<std::string, std::string>> other_spellings(const Json& json, const Json& written) {
  std::vector<std::pair<std::string, std::string>> result;
  for (const auto& [key, value] : written.items()) {
    const auto found = json.find(key);
    if (found != json.end() && found->dump() != value.dump()) result.emplace_back(key, found->dump());
  }
  return result;
}

template <class T>
std::optional<T> optional_integer(JsonFields& fields, const std::string& key, std::optional<T> when_absent, bool absent) {
  const auto value = fields.integer(key, -1, 1, kMost);
  if (value > 0) return static_cast<T>(value);
  return absent ? when_absent : std::nullopt;
}

Json canonical(const UNetConfig& c) {
  const auto number = [](double value) {  // whole ones as integers, as diffusers has them
    const auto whole = static_cast<std::int64_t>(value);
    return static_cast<double>(whole) == value ? Json(whole) : Json(value);
  };
  const auto optional = [](const auto& value) { return value ? Json(*value) : Json(); };
  Json size;
  if (c.sample_height > 0) {
    size = c.sample_height == c.sample_width ? Json(c.sample_height) : Json({c.sample_height, c.sample_width});
  }
  return {{"sample_size", size},
          {"in_channels", c.in_channels},
          {"out_channels", c.out_channels},
          {"center_input_sample", c.center_input_sample},
          {"time_embedding_type", name_of(c.time_embedding_type, kTimeEmbedding)},
          {"time_embedding_dim", optional(c.time_embedding_dim)},
          {"freq_shift", number(c.freq_shift)},
          {"flip_sin_to_cos", c.flip_sin_to_cos},
          {"down_block_types", names_of(c.down_block_types, kDown)},
          {"mid_block_type", c.mid_block ? Json("UNetMidBlock2D") : Json()},
          {"up_block_types", names_of(c.up_block_types, kUp)},
          {"block_out_channels", c.block_out_channels},
          {"layers_per_block", c.layers_per_block},
          {"mid_block_scale_factor", c.mid_block_scale_factor},
          {"downsample_padding", c.downsample_padding},
          {"downsample_type", name_of(c.downsample_type, kResampling)},
          {"upsample_type", name_of(c.upsample_type, kResampling)},
          {"dropout", c.dropout},
          {"act_fn", name_of(c.act_fn, kActivation)},
          {"attention_head_dim", optional(c.attention_head_dim)},
          {"norm_num_groups", optional(c.norm_num_groups)},
          {"attn_norm_num_groups", optional(c.attn_norm_num_groups)},
          {"norm_eps", c.norm_eps},
          {"resnet_time_scale_shift", name_of(c.resnet_time_scale_shift, kTime)},
          {"add_attention", c.add_attention},
          {"class_embed_type", c.class_embed_type == ClassEmbedding::none ? Json() : Json(name_of(c.class_embed_type, kClass))},
          {"num_class_embeds", optional(c.num_class_embeds)},
          {"num_train_timesteps", optional(c.num_train_timesteps)}};
}

}  // namespace

UNetConfig unet_config_from_json(const Json& json, const std::string& source,
                                 const std::function<void(const std::string&)>& unknown) {
  JsonFields f(json, source);
  UNetConfig c;
  read_size(f, c);
  c.in_channels = f.integer("in_channels", c.in_channels, 1, kMost);
  c.out_channels = f.integer("out_channels", c.out_channels, 1, kMost);
  c.center_input_sample = f.boolean("center_input_sample", c.center_input_sample);
  c.time_embedding_type = named(f, "time_embedding_type", f.text("time_embedding_type", "positional"), kTimeEmbedding);
  if (const auto dim = f.integer("time_embedding_dim", 0, 0, kMost); dim > 0) c.time_embedding_dim = dim;
  c.freq_shift = f.number("freq_shift", c.freq_shift);
  c.flip_sin_to_cos = f.boolean("flip_sin_to_cos", c.flip_sin_to_cos);
  c.down_block_types = block_types(f, "down_block_types", c.down_block_types, kDown);
  c.up_block_types = block_types(f, "up_block_types", c.up_block_types, kUp);
  if (json.contains("mid_block_type")) {
    c.mid_block = f.has("mid_block_type");
    if (c.mid_block && f.text("mid_block_type", "") != "UNetMidBlock2D") f.refuse("mid_block_type", "UNetMidBlock2D or null");
    f.raw("mid_block_type");
  }
  c.block_out_channels = f.integers("block_out_channels", c.block_out_channels, 1, kMost);
  c.layers_per_block = static_cast<int>(f.integer("layers_per_block", c.layers_per_block, 1, 100));
  c.mid_block_scale_factor = f.number("mid_block_scale_factor", c.mid_block_scale_factor);
  c.downsample_padding = static_cast<int>(f.integer("downsample_padding", c.downsample_padding, 0, 1));
  c.downsample_type = named(f, "downsample_type", f.text("downsample_type", "conv"), kResampling);
  c.upsample_type = named(f, "upsample_type", f.text("upsample_type", "conv"), kResampling);
  c.dropout = f.number("dropout", c.dropout);
  c.act_fn = named(f, "act_fn", lower_case(f.text("act_fn", "silu")), kActivation);
  c.attention_head_dim = optional_integer(f, "attention_head_dim", c.attention_head_dim, !json.contains("attention_head_dim"));
  c.norm_num_groups = optional_integer(f, "norm_num_groups", c.norm_num_groups, !json.contains("norm_num_groups"));
  c.attn_norm_num_groups = optional_integer<int>(f, "attn_norm_num_groups", std::nullopt, true);
  c.norm_eps = f.number("norm_eps", c.norm_eps);
  c.resnet_time_scale_shift = named(f, "resnet_time_scale_shift", f.text("resnet_time_scale_shift", "default"), kTime);
  c.add_attention = f.boolean("add_attention", c.add_attention);
  if (f.has("class_embed_type")) c.class_embed_type = named(f, "class_embed_type", f.text("class_embed_type", ""), kClass);
  f.raw("class_embed_type");
  c.num_class_embeds = optional_integer<std::int64_t>(f, "num_class_embeds", std::nullopt, true);
  c.num_train_timesteps = optional_integer<std::int64_t>(f, "num_train_timesteps", std::nullopt, true);
  f.finish(unknown);
  c.spelling = other_spellings(json, canonical(c));
  return c;
}

Json unet_config_to_json(const UNetConfig& c) {
  Json result = canonical(c);
  for (const auto& [key, text] : c.spelling) {
    Json respelled = result;
    respelled[key] = parse_json(text, "spelling of " + key);
    UNetConfig read = unet_config_from_json(respelled, "spelling");
    read.spelling = c.spelling;
    if (read == c) result = std::move(respelled);
  }
  return result;
}

}  // namespace eddy::inline v0_1
