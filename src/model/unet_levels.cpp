// Building the levels of a U-Net, with the channels, groups and names of diffusers' blocks.
//
// Skip blocks [Song2020, H] have rules of their own: groups min(C / 4, 32) whatever norm_num_groups is, residual sums over
// sqrt 2, steps through a residual block with the filter (1, 3, 3, 1), pictures of 3 channels; AttnSkipUpBlock2D has one
// attention behind its residual blocks. K blocks, of k-diffusion's upscaler, have groups of 32 channels, time in adaptive
// norms, and take one skip connection a level.
#include "model/unet_levels.hpp"

#include <algorithm>

namespace eddy::inline v0_1 {

namespace {

constexpr std::int64_t kPictureChannels = 3;
constexpr int kSkipAttentionGroups = 32;
constexpr std::int64_t kAdaptiveGroupSize = 32;
constexpr double kRootTwo = 1.4142135623730951;

std::string indexed(const char* name, int i) { return std::string(name) + "." + std::to_string(i); }

int skip_groups(std::int64_t channels) { return static_cast<int>(std::min<std::int64_t>(channels / 4, 32)); }

BlockOptions block_options(const UNetConfig& c, std::int64_t time_channels) {
  return {.time_channels = time_channels,
          .groups = c.norm_num_groups.value_or(0),
          .eps = c.norm_eps,
          .activation = c.act_fn,
          .time_norm = c.resnet_time_scale_shift,
          .dropout = c.dropout};
}

BlockOptions skip_options(BlockOptions options, int groups, std::int64_t out) {
  options.groups = groups;
  options.groups_out = skip_groups(out);
  options.output_scale = kRootTwo;
  return options;
}

BlockOptions adaptive_options(BlockOptions options, std::int64_t in, std::int64_t level_channels) {
  options.groups = static_cast<int>(in / kAdaptiveGroupSize);
  options.groups_out = static_cast<int>(level_channels / kAdaptiveGroupSize);
  options.adaptive = true;
  return options;
}

AttentionBlockOptions attention_options(const UNetConfig& c, std::int64_t channels, bool skip) {
  AttentionBlockOptions options{.head_channels = c.attention_head_dim.value_or(channels), .eps = c.norm_eps};
  options.groups = skip ? kSkipAttentionGroups : c.norm_num_groups.value_or(0);
  if (skip) options.output_scale = kRootTwo;
  return options;
}

// diffusers' own number, where / binds before +.
int attn_skip_up_groups(std::int64_t in, std::int64_t skip) {
  return static_cast<int>(std::min<std::int64_t>(in + skip / 4, 32));
}

}  // namespace

int groups_or_default(const UNetConfig& c, std::int64_t channels) { return c.norm_num_groups.value_or(skip_groups(channels)); }

DownLevel make_down(const ParameterTree& tree, const UNetConfig& c, std::size_t level, std::int64_t time_channels) {
  DownLevel result;
  const DownBlock type = c.down_block_types[level];
  const bool skip = is_skip(type), attends = type == DownBlock::attn_down || type == DownBlock::attn_skip_down;
  const BlockOptions options = block_options(c, time_channels);
  const std::int64_t out = c.block_out_channels[level];
  std::int64_t in = c.block_out_channels[level == 0 ? 0 : level - 1];
  for (int i = 0; i < c.layers_per_block; ++i, in = out) {
    if (attends) result.attentions.emplace_back(tree.in(indexed("attentions", i)), out, attention_options(c, out, skip));
    const BlockOptions own = skip                      ? skip_options(options, skip_groups(in), out)
                             : type == DownBlock::k_down ? adaptive_options(options, in, out)
                                                         : options;
    result.resnets.emplace_back(tree.in(indexed("resnets", i)), in, out, own);
  }
  if (level + 1 == c.block_out_channels.size()) return result;
  result.filters = type == DownBlock::k_down;
  if (result.filters) return result;
  if (skip) {
    const BlockOptions own = skip_options(options, skip_groups(out), out);
    result.downsample_resnet.emplace(tree.in("resnet_down"), out, out, own, Resize::fir_down);
    result.skip_conv.emplace(tree.in("skip_conv"), kPictureChannels, out, Conv2dLayerOptions{.kernel = 1, .conv = {}});
    return result;
  }
  const ParameterTree sampler = tree.in("downsamplers.0");
  if (type == DownBlock::resnet_down || (attends && c.downsample_type == Resampling::resnet)) {
    result.downsample_resnet.emplace(sampler, out, out, options, Resize::down);
  } else {
    result.downsample = downsample_conv(sampler.in("conv"), out, c.downsample_padding);
  }
  return result;
}

namespace {

UpLevel make_k_up(const ParameterTree& tree, const UNetConfig& c, std::size_t i, std::int64_t time_channels) {
  UpLevel result;
  const std::size_t last = c.block_out_channels.size() - 1;
  const std::int64_t own = c.block_out_channels[last - i], next = c.block_out_channels[last - std::min(i + 1, last)];
  std::int64_t in = 2 * own;
  for (int j = 0; j < c.layers_per_block; ++j, in = own) {
    const std::int64_t out = j + 1 == c.layers_per_block ? next : own;
    const BlockOptions options = adaptive_options(block_options(c, time_channels), in, own);
    result.resnets.emplace_back(tree.in(indexed("resnets", j)), in, out, options);
  }
  result.joins_last_only = true;
  result.filters = i < last;
  return result;
}

}  // namespace

UpLevel make_up(const ParameterTree& tree, const UNetConfig& c, std::size_t i, std::int64_t time_channels) {
  if (c.up_block_types[i] == UpBlock::k_up) return make_k_up(tree, c, i, time_channels);
  UpLevel result;
  const auto channels = [&](std::size_t k) { return c.block_out_channels[c.block_out_channels.size() - 1 - k]; };
  const std::size_t last = c.block_out_channels.size() - 1;
  const UpBlock type = c.up_block_types[i];
  const BlockOptions options = block_options(c, time_channels);
  const std::int64_t out = channels(i), skip_last = channels(std::min(i + 1, last));
  std::int64_t in = channels(i == 0 ? 0 : i - 1);
  for (int j = 0; j <= c.layers_per_block; ++j, in = out) {
    const std::int64_t skip = j == c.layers_per_block ? skip_last : out;
    if (type == UpBlock::attn_up) {
      result.attentions.emplace_back(tree.in(indexed("attentions", j)), out, attention_options(c, out, false));
    }
    const int groups = type == UpBlock::attn_skip_up ? attn_skip_up_groups(in, skip) : skip_groups(in + skip);
    result.resnets.emplace_back(tree.in(indexed("resnets", j)), in + skip, out,
                                is_skip(type) ? skip_options(options, groups, out) : options);
  }
  if (type == UpBlock::attn_skip_up) {
    result.attentions.emplace_back(tree.in("attentions.0"), out, attention_options(c, out, true));
  }
  result.doubles_picture = is_skip(type);
  if (i == last) return result;
  if (is_skip(type)) {
    const BlockOptions own = skip_options(options, skip_groups(out), out);
    result.upsample_resnet.emplace(tree.in("resnet_up"), out, out, own, Resize::fir_up);
    result.skip_conv.emplace(tree.in("skip_conv"), out, kPictureChannels, Conv2dLayerOptions{.zero = true});
    result.skip_norm = GroupNorm(tree.in("skip_norm"), out, {skip_groups(out), c.norm_eps, Activation::silu});
    return result;
  }
  const ParameterTree sampler = tree.in("upsamplers.0");
  if (type == UpBlock::resnet_up || (type == UpBlock::attn_up && c.upsample_type == Resampling::resnet)) {
    result.upsample_resnet.emplace(sampler, out, out, options, Resize::up);
  } else {
    result.upsample.emplace(sampler.in("conv"), out, out);
  }
  return result;
}

Middle make_middle(const ParameterTree& tree, const UNetConfig& c, std::int64_t time_channels) {
  Middle result;
  const std::int64_t channels = c.block_out_channels.back();
  BlockOptions options = block_options(c, time_channels);
  options.groups = groups_or_default(c, channels);
  options.output_scale = c.mid_block_scale_factor;
  if (c.add_attention) {
    AttentionBlockOptions attention = attention_options(c, channels, false);
    attention.output_scale = c.mid_block_scale_factor;
    const int unset = c.resnet_time_scale_shift == TimeScaleShift::add ? options.groups : 0;
    attention.groups = c.attn_norm_num_groups.value_or(unset);
    result.attention.emplace(tree.in("attentions.0"), channels, attention);
  }
  result.resnets.emplace_back(tree.in("resnets.0"), channels, channels, options);
  result.resnets.emplace_back(tree.in("resnets.1"), channels, channels, options);
  return result;
}

}  // namespace eddy::inline v0_1
