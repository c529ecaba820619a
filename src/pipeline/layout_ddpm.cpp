// The names of DDPM's PyTorch port [Ho2020; Esser's pytorch_diffusion, Song's ddim]: down.1.block.0.conv1.weight,
// mid.attn_1.q.weight, up.0.upsample.conv.weight; up.0 is the level of the full size, where diffusers' up_blocks.0 is the
// smallest. Sinusoids come as [sin, cos] with frequencies 10000^(-i / (half - 1)); a step down pads one row below and one column
// to the right; attention has one head; norms have 32 groups and eps 1e-6. Also the names that diffusers' own script for
// these files reads (downsample.op, in_shortcut).
#include "pipeline/layout.hpp"

namespace eddy::inline v0_1 {

namespace {

bool fits(const Tensors& t) { return t.has("temb.dense.0.weight") && t.has("down.0.block.0.conv1.weight"); }

std::string level_name(const char* way, std::size_t level) { return std::string(way) + std::to_string(level) + "."; }

Json deduce(const Tensors& t) {
  const int levels = t.count("down.", ".block.0.conv1.weight");
  const int layers = t.count("down.0.block.", ".conv1.weight");
  Json channels = Json::array(), down = Json::array(), up = Json::array();
  for (int i = 0; i < levels; ++i) {
    const std::string level = level_name("down.", static_cast<std::size_t>(i));
    const bool attends = t.has(level + "attn.0.q.weight");
    channels.push_back(t.extent(level + "block.0.conv1.weight", 0));
    down.push_back(attends ? "AttnDownBlock2D" : "DownBlock2D");
    up.insert(up.begin(), attends ? "AttnUpBlock2D" : "UpBlock2D");
  }
  return {{"in_channels", t.extent("conv_in.weight", 1)},
          {"out_channels", t.extent("conv_out.weight", 0)},
          {"time_embedding_dim", t.extent("temb.dense.0.weight", 0)},
          {"block_out_channels", channels},
          {"down_block_types", down},
          {"up_block_types", up},
          {"layers_per_block", layers},
          {"add_attention", t.has("mid.attn_1.q.weight")},
          {"freq_shift", 1},
          {"flip_sin_to_cos", false},
          {"downsample_padding", 0},
          {"attention_head_dim", nullptr},
          {"norm_num_groups", 32},
          {"norm_eps", 1e-6}};
}

Origin resnet(const std::string& place, const std::string& rest) {
  if (!rest.starts_with("conv_shortcut.")) return {{place + renamed(rest, {{"time_emb_proj.", "temb_proj."}})}};
  const std::string end = rest.substr(rest.find('.'));
  return {{place + "nin_shortcut" + end, place + "in_shortcut" + end, place + "conv_shortcut" + end}};
}

std::string attention(const std::string& rest) {
  return renamed(rest, {{"group_norm.", "norm."}, {"to_q.", "q."}, {"to_k.", "k."}, {"to_v.", "v."}, {"to_out.0.", "proj_out."}});
}

Origin origin(const std::string& parameter, const UNetConfig& config, const Tensors& /*tensors*/, bool /*new_attention_order*/) {
  const ParameterName name = parse_name(parameter);
  if (name.where == ParameterName::Where::outside) {
    return {{renamed(parameter, {{"time_embedding.linear_1.", "temb.dense.0."},
                                 {"time_embedding.linear_2.", "temb.dense.1."},
                                 {"conv_norm_out.", "norm_out."}})}};
  }
  const bool down = name.where == ParameterName::Where::down, attends = name.what == ParameterName::What::attention;
  if (name.where == ParameterName::Where::middle) {
    if (attends) return {{"mid.attn_1." + attention(name.rest)}};
    return resnet("mid.block_" + std::to_string(name.index + 1) + ".", name.rest);
  }
  const std::string level =
      down ? level_name("down.", name.level) : level_name("up.", config.block_out_channels.size() - 1 - name.level);
  if (attends) return {{level + "attn." + std::to_string(name.index) + "." + attention(name.rest)}};
  if (name.what == ParameterName::What::resnet) return resnet(level + "block." + std::to_string(name.index) + ".", name.rest);
  if (!down) return {{level + "upsample." + name.rest}};
  return {{level + "downsample." + name.rest, level + "downsample." + renamed(name.rest, {{"conv.", "op."}})}};
}

bool spare(const std::string& /*name*/, const Tensors& /*tensors*/) { return false; }

}  // namespace

const Layout kDdpmLayout{"DDPM's PyTorch port (temb.dense.0, down.0.block.0)", fits, deduce, origin, spare, ddpm_scheduler};

}  // namespace eddy::inline v0_1
