// The names of OpenAI's improved-diffusion, guided-diffusion and consistency models [Nichol2021]: input_blocks.4.0.in_layers.0,
// middle_block.1.qkv, output_blocks.2.1.conv. Blocks are numbered through all levels: on the way down each level has its layers
// and one step down, on the way up its layers + 1, the step up inside the last.
//
// qkv holds queries, keys and values of each head together (heads first, weights of rank 3), or all queries, then keys, then
// values: with use_new_attention_order, and in consistency models (weights of rank 4). How many channels a head has is told by
// no shape.
#include "eddy/error.hpp"
#include "pipeline/layout.hpp"

namespace eddy::inline v0_1 {

namespace {

bool fits(const Tensors& t) { return t.has("time_embed.0.weight") && t.has("input_blocks.0.0.weight") && t.has("out.2.weight"); }

std::string block(const char* way, int i) { return std::string(way) + "_blocks." + std::to_string(i) + "."; }

// What a step up is made of: "" where a block has none.
std::string step_up(const Tensors& t, int i) {
  for (const char* at : {"1.", "2."}) {
    if (t.has(block("output", i) + at + "in_layers.0.weight")) return "resnet";
    if (t.has(block("output", i) + at + "conv.weight")) return "conv";
  }
  return {};
}

Json deduce(const Tensors& t) {
  const int blocks = t.count("output_blocks.", ".0.in_layers.0.weight");
  int layers = 0;  // the first step up is in the last block of the smallest level
  while (layers < blocks && step_up(t, layers).empty()) ++layers;
  const std::string step = step_up(t, layers);
  if (step.empty()) layers = blocks - 1;  // one level
  if (blocks < 1 || layers < 1 || blocks % (layers + 1) != 0) {
    throw Error(t.source() + ": output_blocks are not of levels with steps of learned weights between them");
  }
  const int levels = blocks / (layers + 1);
  const bool shifts = t.extent("middle_block.0.emb_layers.1.weight", 0) == 2 * t.extent("middle_block.0.in_layers.2.weight", 0);
  Json channels = Json::array(), down = Json::array(), up = Json::array();
  for (int i = 0; i < levels; ++i) {
    const std::string first = block("input", 1 + i * (layers + 1));
    const bool attends = t.has(first + "1.qkv.weight");
    channels.push_back(t.extent(first + "0.in_layers.2.weight", 0));
    down.push_back(attends ? "AttnDownBlock2D" : step == "resnet" ? "ResnetDownsampleBlock2D" : "DownBlock2D");
    up.insert(up.begin(), attends ? "AttnUpBlock2D" : step == "resnet" ? "ResnetUpsampleBlock2D" : "UpBlock2D");
  }
  Json json{{"in_channels", t.extent("input_blocks.0.0.weight", 1)},
            {"out_channels", t.extent("out.2.weight", 0)},
            {"time_embedding_dim", t.extent("time_embed.0.weight", 0)},
            {"block_out_channels", channels},
            {"down_block_types", down},
            {"up_block_types", up},
            {"layers_per_block", layers},
            {"downsample_type", step == "resnet" ? "resnet" : "conv"},
            {"upsample_type", step == "resnet" ? "resnet" : "conv"},
            {"resnet_time_scale_shift", shifts ? "scale_shift" : "default"},
            {"attn_norm_num_groups", shifts ? Json(32) : Json()},
            {"add_attention", t.has("middle_block.1.qkv.weight")},
            {"num_class_embeds", t.has("label_emb.weight") ? Json(t.extent("label_emb.weight", 0)) : Json()}};
  return json;
}

std::string resnet(const std::string& rest) {
  return renamed(rest, {{"norm1.", "in_layers.0."},
                        {"conv1.", "in_layers.2."},
                        {"time_emb_proj.", "emb_layers.1."},
                        {"norm2.", "out_layers.0."},
                        {"conv2.", "out_layers.3."},
                        {"conv_shortcut.", "skip_connection."}});
}

Origin attention(const std::string& place, const std::string& rest, std::int64_t channels, const UNetConfig& config,
                 const Tensors& t, bool new_order) {
  const int part = part_of_qkv(rest);
  if (part < 0) return {{place + renamed(rest, {{"group_norm.", "norm."}, {"to_out.0.", "proj_out."}})}};
  const WeightFiles::Place* weight = t.find(place + "qkv.weight");
  const bool in_turn = new_order || (weight != nullptr && weight->entry->shape.size() == 4);
  return {{place + "qkv" + rest.substr(rest.find('.'))}, in_turn ? channels : config.attention_head_dim.value_or(channels), part};
}

Origin origin(const std::string& parameter, const UNetConfig& config, const Tensors& t, bool new_order) {
  const ParameterName name = parse_name(parameter);
  const int level = static_cast<int>(name.level), index = static_cast<int>(name.index), layers = config.layers_per_block;
  const auto inside = [&](const std::string& place, const std::string& at_attention) -> Origin {
    if (name.what != ParameterName::What::attention) return {{place + resnet(name.rest)}};
    return attention(at_attention, name.rest, channels_at(config, name), config, t, new_order);
  };
  switch (name.where) {
    case ParameterName::Where::outside:
      return {{renamed(parameter, {{"conv_in.", "input_blocks.0.0."},
                                   {"time_embedding.linear_1.", "time_embed.0."},
                                   {"time_embedding.linear_2.", "time_embed.2."},
                                   {"class_embedding.", "label_emb."},
                                   {"conv_norm_out.", "out.0."},
                                   {"conv_out.", "out.2."}})}};
    case ParameterName::Where::middle: {
      const int second = config.add_attention ? 2 : 1;
      return inside("middle_block." + std::to_string(index == 0 ? 0 : second) + ".", "middle_block.1.");
    }
    case ParameterName::Where::down: {
      const bool step = name.what == ParameterName::What::sampler;
      const std::string place = block("input", 1 + level * (layers + 1) + (step ? layers : index));
      if (step && name.rest.starts_with("conv.")) return {{place + "0." + renamed(name.rest, {{"conv.", "op."}})}};
      return inside(place + "0.", place + "1.");
    }
    case ParameterName::Where::up: break;
  }
  const bool step = name.what == ParameterName::What::sampler;
  const std::string place = block("output", level * (layers + 1) + (step ? layers : index));
  if (!step) return inside(place + "0.", place + "1.");
  const std::string at = config.up_block_types[name.level] == UpBlock::attn_up ? "2." : "1.";
  return {{place + at + (name.rest.starts_with("conv.") ? name.rest : resnet(name.rest))}};
}

bool spare(const std::string& /*name*/, const Tensors& /*tensors*/) { return false; }

// That of diffusers' script for distilled consistency models, whose weights of attention have rank 4.
Json scheduler(const UNetConfig& config, const Tensors& t) {
  const WeightFiles::Place* qkv = t.find("middle_block.1.qkv.weight");
  if (qkv == nullptr || qkv->entry->shape.size() != 4) return ddpm_scheduler(config, t);
  return {{"_class_name", "CMStochasticIterativeScheduler"},
          {"num_train_timesteps", 40},
          {"sigma_min", 0.002},
          {"sigma_max", 80.0}};
}

}  // namespace

const Layout kGuidedLayout{"OpenAI's improved-diffusion, guided-diffusion and consistency models (input_blocks, output_blocks)",
                           fits, deduce, origin, spare, scheduler};

}  // namespace eddy::inline v0_1
