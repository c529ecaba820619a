// The U-Net of DDPM [Ho2020, B]: residual blocks and attention on a pyramid of sizes, with skip connections from the way
// down to the way up. Fields, parameter names and their order are those of diffusers' UNet2DModel.
//
// Where an extent does not halve evenly, the way up goes to the size of the skip connection that it meets.
#include <algorithm>

#include "eddy/error.hpp"
#include "eddy/model.hpp"
#include "model/blocks.hpp"
#include "model/unet_check.hpp"

namespace eddy::inline v0_1 {

namespace {

// One level on the way down: layers, then a step to half the size (but at the last level).
struct DownLevel {
  std::vector<ResnetBlock> resnets;
  std::vector<AttentionBlock> attentions;
  std::optional<Conv2d> downsample;
  std::optional<ResnetBlock> downsample_resnet;
};

struct UpLevel {
  std::vector<ResnetBlock> resnets;
  std::vector<AttentionBlock> attentions;
  std::optional<Conv2d> upsample;
  std::optional<ResnetBlock> upsample_resnet;
};

struct Middle {
  std::vector<ResnetBlock> resnets;
  std::optional<AttentionBlock> attention;
};

std::string indexed(const std::string& name, std::size_t i) { return name + "." + std::to_string(i); }

BlockOptions block_options(const UNetConfig& c, std::int64_t time_channels) {
  return {.time_channels = time_channels,
          .groups = c.norm_num_groups,
          .eps = c.norm_eps,
          .activation = c.act_fn,
          .time_norm = c.resnet_time_scale_shift,
          .dropout = c.dropout};
}

AttentionBlockOptions attention_options(const UNetConfig& c, std::int64_t channels) {
  return {.head_channels = c.attention_head_dim.value_or(channels), .groups = c.norm_num_groups, .eps = c.norm_eps};
}

DownLevel make_down(const ParameterTree& tree, const UNetConfig& c, std::size_t level, const BlockOptions& options) {
  DownLevel result;
  const DownBlock type = c.down_block_types[level];
  const std::int64_t out = c.block_out_channels[level];
  std::int64_t in = c.block_out_channels[level == 0 ? 0 : level - 1];
  for (int i = 0; i < c.layers_per_block; ++i, in = out) {
    if (type == DownBlock::attn_down) {
      result.attentions.emplace_back(tree.in(indexed("attentions", i)), out, attention_options(c, out));
    }
    result.resnets.emplace_back(tree.in(indexed("resnets", i)), in, out, options);
  }
  if (level + 1 == c.block_out_channels.size()) return result;
  const ParameterTree sampler = tree.in("downsamplers.0");
  if (type == DownBlock::resnet_down || (type == DownBlock::attn_down && c.downsample_type == Resampling::resnet)) {
    result.downsample_resnet.emplace(sampler, out, out, options, Resize::down);
  } else {
    result.downsample = downsample_conv(sampler.in("conv"), out, c.downsample_padding);
  }
  return result;
}

UpLevel make_up(const ParameterTree& tree, const UNetConfig& c, std::size_t i, const BlockOptions& options) {
  UpLevel result;
  const auto channels = [&](std::size_t up) { return c.block_out_channels[c.block_out_channels.size() - 1 - up]; };
  const std::size_t last = c.block_out_channels.size() - 1;
  const UpBlock type = c.up_block_types[i];
  const std::int64_t out = channels(i), skip_last = channels(std::min(i + 1, last));
  std::int64_t in = channels(i == 0 ? 0 : i - 1);
  for (int j = 0; j <= c.layers_per_block; ++j, in = out) {
    const std::int64_t skip = j == c.layers_per_block ? skip_last : out;
    if (type == UpBlock::attn_up) {
      result.attentions.emplace_back(tree.in(indexed("attentions", j)), out, attention_options(c, out));
    }
    result.resnets.emplace_back(tree.in(indexed("resnets", j)), in + skip, out, options);
  }
  if (i == last) return result;
  const ParameterTree sampler = tree.in("upsamplers.0");
  if (type == UpBlock::resnet_up || (type == UpBlock::attn_up && c.upsample_type == Resampling::resnet)) {
    result.upsample_resnet.emplace(sampler, out, out, options, Resize::up);
  } else {
    result.upsample.emplace(sampler.in("conv"), out, out);
  }
  return result;
}

Middle make_middle(const ParameterTree& tree, const UNetConfig& c, BlockOptions options) {
  Middle result;
  const std::int64_t channels = c.block_out_channels.back();
  options.output_scale = c.mid_block_scale_factor;
  if (c.add_attention) {
    AttentionBlockOptions attention = attention_options(c, channels);
    attention.output_scale = c.mid_block_scale_factor;
    const int unset = c.resnet_time_scale_shift == TimeScaleShift::add ? c.norm_num_groups : 0;
    attention.groups = c.attn_norm_num_groups.value_or(unset);
    result.attention.emplace(tree.in("attentions.0"), channels, attention);
  }
  result.resnets.emplace_back(tree.in("resnets.0"), channels, channels, options);
  result.resnets.emplace_back(tree.in("resnets.1"), channels, channels, options);
  return result;
}

// t as (N) f32: (1) and scalars count for all samples.
Tensor times_of(const Tensor& t, std::int64_t n, const Context& context) {
  if (t.defined() && t.rank() == 1 && t.extent(0) == n) return t;
  if (!t.defined() || t.elements() != 1) {
    throw Error("UNet: t must have one value, or one a sample (" + std::to_string(n) + "), got shape " +
                (t.defined() ? to_string(t.shape()) : "of an empty tensor"));
  }
  return add(Tensor::zeros({n}, context), reshape(t, {}));
}

}  // namespace

struct UNet::State {
  UNetConfig config;
  ParameterTree tree;
  Context context;
  bool checkpoint = false;
  Conv2d conv_in, conv_out;
  TimestepEmbedding time_embedding;
  Embedding class_table;
  TimestepEmbedding class_embedding;
  std::vector<DownLevel> down;
  Middle middle;
  std::vector<UpLevel> up;
  GroupNorm norm_out;

  State(const UNetConfig& c, Initialisation style, const Context& context);
  Tensor sinusoids(const Tensor& t) const;
  Tensor time(const Tensor& t, const Condition& condition, std::int64_t n) const;
  Tensor with_classes(const Tensor& time, const Tensor& labels, std::int64_t n) const;
  Tensor resnet(const ResnetBlock& block, const Tensor& x, const Tensor& skip, const Tensor& time,
                std::optional<Size> up_to = {}) const;
  Tensor forward(const Tensor& x, const Tensor& time) const;
  void descend(Tensor& h, std::vector<Tensor>& skips, const Tensor& time) const;
  void ascend(Tensor& h, std::vector<Tensor>& skips, const Tensor& time) const;
};

// SiLU is the activation of both embeddings and of the last norm, whatever act_fn says, as in diffusers.
UNet::State::State(const UNetConfig& c, Initialisation style, const Context& own) : config(c), tree(style), context(own) {
  const std::int64_t first = c.block_out_channels[0];
  const std::int64_t time_channels = c.time_embedding_dim.value_or(4 * first);
  const BlockOptions options = block_options(c, time_channels);
  const std::size_t levels = c.block_out_channels.size();
  conv_in = Conv2d(tree.in("conv_in"), c.in_channels, first);
  time_embedding = TimestepEmbedding(tree.in("time_embedding"), first, time_channels, Activation::silu);
  if (c.class_embed_type == ClassEmbedding::timestep) {
    class_embedding = TimestepEmbedding(tree.in("class_embedding"), first, time_channels, Activation::silu);
  } else if (c.class_embed_type == ClassEmbedding::none && c.num_class_embeds) {
    class_table = Embedding(tree.in("class_embedding"), *c.num_class_embeds, time_channels);
  }
  for (std::size_t i = 0; i < levels; ++i) {
    down.push_back(make_down(tree.in(indexed("down_blocks", i)), c, i, options));
  }
  for (std::size_t i = 0; i < levels; ++i) up.push_back(make_up(tree.in(indexed("up_blocks", i)), c, i, options));
  if (c.mid_block) middle = make_middle(tree.in("mid_block"), c, options);
  norm_out = GroupNorm(tree.in("conv_norm_out"), first, {c.norm_num_groups, c.norm_eps, Activation::silu});
  conv_out = Conv2d(tree.in("conv_out"), first, c.out_channels, {.zero = true});
}

Tensor UNet::State::sinusoids(const Tensor& t) const {
  return timestep_embedding(t, {.channels = static_cast<int>(config.block_out_channels[0]),
                                .flip_sin_to_cos = config.flip_sin_to_cos,
                                .freq_shift = config.freq_shift});
}

Tensor UNet::State::with_classes(const Tensor& time, const Tensor& labels, std::int64_t n) const {
  if (config.class_embed_type == ClassEmbedding::identity) {
    const std::int64_t channels = time.extent(1);
    if (labels.rank() != 2 || (labels.extent(0) != n && labels.extent(0) != 1) || labels.extent(1) != channels) {
      throw Error("UNet: class_labels must be (" + std::to_string(n) + " or 1, " + std::to_string(channels) +
                  ") for a class_embed_type of identity, got " + to_string(labels.shape()));
    }
    return add(time, labels);
  }
  if (config.class_embed_type == ClassEmbedding::timestep) {
    return add(time, class_embedding(sinusoids(times_of(labels, n, context))));
  }
  if (labels.dtype() != DType::i64 || labels.rank() != 1 || (labels.extent(0) != n && labels.extent(0) != 1)) {
    throw Error("UNet: class_labels must be i64 (" + std::to_string(n) + ") or (1), got " + name(labels.dtype()) + " " +
                to_string(labels.shape()));
  }
  return add(time, class_table(labels));
}

// The activated embedding of time and class, (N, time_channels).
Tensor UNet::State::time(const Tensor& t, const Condition& condition, std::int64_t n) const {
  Tensor embedded = time_embedding(sinusoids(times_of(t, n, context)));
  const bool takes_classes = config.class_embed_type != ClassEmbedding::none || config.num_class_embeds;
  bool given = false;
  for (const auto& [key, value] : condition) {
    if (key != "class_labels") throw Error("UNet: unknown condition '" + key + "'; it takes class_labels");
    if (given) throw Error("UNet: class_labels are given twice");
    if (!takes_classes) throw Error("UNet: class_labels given, but the model has no class embedding");
    embedded = with_classes(embedded, value, n);
    given = true;
  }
  if (takes_classes && !given) throw Error("UNet: the model is conditioned on classes; pass class_labels");
  return activate(embedded, config.act_fn);
}

Tensor UNet::State::resnet(const ResnetBlock& block, const Tensor& x, const Tensor& skip, const Tensor& time,
                           std::optional<Size> up_to) const {
  if (!checkpoint) return block(x, skip, time, up_to);
  const Tensor inputs[] = {x, time, skip};
  const auto run = [&block, up_to](std::span<const Tensor> in) { return block(in[0], in[2], in[1], up_to); };
  return eddy::checkpoint(run, inputs);
}

void UNet::State::descend(Tensor& h, std::vector<Tensor>& skips, const Tensor& time) const {
  for (const DownLevel& level : down) {
    for (std::size_t i = 0; i < level.resnets.size(); ++i) {
      h = resnet(level.resnets[i], h, {}, time);
      if (!level.attentions.empty()) h = level.attentions[i](h);
      skips.push_back(h);
    }
    if (level.downsample) {
      h = (*level.downsample)(h);
    } else if (level.downsample_resnet) {
      h = resnet(*level.downsample_resnet, h, {}, time);
    } else {
      continue;
    }
    skips.push_back(h);
  }
}

void UNet::State::ascend(Tensor& h, std::vector<Tensor>& skips, const Tensor& time) const {
  for (const UpLevel& level : up) {
    for (std::size_t i = 0; i < level.resnets.size(); ++i) {
      const Tensor skip = std::move(skips.back());
      skips.pop_back();
      h = resnet(level.resnets[i], h, skip, time);
      if (!level.attentions.empty()) h = level.attentions[i](h);
    }
    if (skips.empty()) continue;
    const Size size{skips.back().extent(1), skips.back().extent(2)};
    if (level.upsample) {
      h = (*level.upsample)(upsample_nearest(h, size.height, size.width));
    } else if (level.upsample_resnet) {
      h = resnet(*level.upsample_resnet, h, {}, time, size);
    }
  }
}

Tensor UNet::State::forward(const Tensor& x, const Tensor& time) const {
  Tensor h = conv_in(config.center_input_sample ? affine(x, 2, -1) : x);
  std::vector<Tensor> skips{h};
  descend(h, skips, time);
  if (config.mid_block) {
    h = resnet(middle.resnets[0], h, {}, time);
    if (middle.attention) h = (*middle.attention)(h);
    h = resnet(middle.resnets[1], h, {}, time);
  }
  ascend(h, skips, time);
  return conv_out(norm_out(h));
}

UNet::UNet(const UNetConfig& config, const ModelOptions& options) {
  check(config);
  state_ = std::make_shared<State>(config, options.initialisation, options.context);
  if (!options.allocate) return;
  state_->tree.allocate(options.context);
  if (options.initialise) state_->tree.initialise(options.seed);
}

Tensor UNet::operator()(const Tensor& x, const Tensor& t, const Condition& condition) const {
  if (!x.defined() || x.rank() != 4 || x.extent(3) != config().in_channels) {
    throw Error("UNet: x must be (N, H, W, " + std::to_string(config().in_channels) + "), got " +
                (x.defined() ? to_string(x.shape()) : "an empty tensor"));
  }
  return state_->forward(x, state_->time(t, condition, x.extent(0)));
}

const UNetConfig& UNet::config() const { return state_->config; }
const ParameterTree& UNet::tree() const { return state_->tree; }

UNet UNet::clone() const {
  UNet copy(config(), {.initialise = false, .initialisation = tree().style(), .context = state_->context});
  copy.tree().copy_from(tree());
  copy.state_->checkpoint = state_->checkpoint;
  return copy;
}

void UNet::set_checkpoint(bool on) const { state_->checkpoint = on; }

}  // namespace eddy::inline v0_1
