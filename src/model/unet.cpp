// The U-Net of DDPM [Ho2020, B]: residual blocks and attention on a pyramid of sizes, with skip connections from the way
// down to the way up. Fields, parameter names and their order are those of diffusers' UNet2DModel.
//
// Skip blocks [Song2020, H] hand a picture along beside the channels: on the way down the input at every size, on the way
// up the sum of what each level adds to the output.
//
// Where an extent does not halve evenly, the way up goes to the size of the skip connection that it meets.
#include "eddy/error.hpp"
#include "eddy/model.hpp"
#include "model/unet_check.hpp"
#include "model/unet_embedding.hpp"
#include "model/unet_levels.hpp"

namespace eddy::inline v0_1 {

namespace {

// The embedding of time and class (N, channels), and its activation, which is taken once for all blocks.
struct Times {
  Tensor embedding, activated;
};

}  // namespace

struct UNet::State {
  UNetConfig config;
  ParameterTree tree;
  Context context;
  bool checkpoint = false;
  Conv2d conv_in, conv_out;
  UNetEmbedding embedding;
  std::vector<DownLevel> down;
  Middle middle;
  std::vector<UpLevel> up;
  GroupNorm norm_out;

  State(const UNetConfig& c, Initialisation style, const Context& context);
  Tensor resnet(const ResnetBlock& block, const Tensor& x, const Tensor& skip, const Times& time,
                std::optional<Size> up_to = {}) const;
  Tensor forward(const Tensor& x, const Tensor& t, const Condition& condition) const;
  void descend(Tensor& h, Tensor picture, std::vector<Tensor>& skips, const Times& time) const;
  Tensor ascend(Tensor& h, std::vector<Tensor>& skips, const Times& time) const;
  Tensor doubled(const UpLevel& level, const Tensor& picture, const Tensor& h) const;
};

// The last norm is followed by SiLU, whatever act_fn says, as in diffusers.
UNet::State::State(const UNetConfig& c, Initialisation style, const Context& own) : config(c), tree(style), context(own) {
  const std::int64_t first = c.block_out_channels[0];
  const std::size_t levels = c.block_out_channels.size();
  const auto indexed = [&](const char* name, std::size_t i) { return tree.in(std::string(name) + "." + std::to_string(i)); };
  conv_in = Conv2d(tree.in("conv_in"), c.in_channels, first);
  embedding = UNetEmbedding(tree, c);
  for (std::size_t i = 0; i < levels; ++i) down.push_back(make_down(indexed("down_blocks", i), c, i, embedding.channels()));
  for (std::size_t i = 0; i < levels; ++i) up.push_back(make_up(indexed("up_blocks", i), c, i, embedding.channels()));
  if (c.mid_block) middle = make_middle(tree.in("mid_block"), c, embedding.channels());
  norm_out = GroupNorm(tree.in("conv_norm_out"), first, {groups_or_default(c, first), c.norm_eps, Activation::silu});
  conv_out = Conv2d(tree.in("conv_out"), first, c.out_channels, {.zero = true});
}

Tensor UNet::State::resnet(const ResnetBlock& block, const Tensor& x, const Tensor& skip, const Times& times,
                           std::optional<Size> up_to) const {
  const Tensor& time = block.adaptive() ? times.embedding : times.activated;
  if (!checkpoint) return block(x, skip, time, up_to);
  const Tensor inputs[] = {x, time, skip};
  const auto run = [&block, up_to](std::span<const Tensor> in) { return block(in[0], in[2], in[1], up_to); };
  return eddy::checkpoint(run, inputs);
}

void UNet::State::descend(Tensor& h, Tensor picture, std::vector<Tensor>& skips, const Times& time) const {
  for (const DownLevel& level : down) {
    for (std::size_t i = 0; i < level.resnets.size(); ++i) {
      h = resnet(level.resnets[i], h, {}, time);
      if (!level.attentions.empty()) h = level.attentions[i](h);
      skips.push_back(h);
    }
    if (level.filters) h = fir_downsample(h, FirBorder::reflect);
    if (level.downsample) {
      h = (*level.downsample)(h);
    } else if (level.downsample_resnet) {
      h = resnet(*level.downsample_resnet, h, {}, time);
    } else {
      continue;
    }
    if (level.skip_conv) {
      picture = fir_downsample(picture);
      h = (*level.skip_conv)(picture, {}, h);
    }
    skips.push_back(h);
  }
}

// The sum of pictures, twice the size, with the part of this level.
Tensor UNet::State::doubled(const UpLevel& level, const Tensor& picture, const Tensor& h) const {
  const Tensor sum = picture.defined() ? fir_upsample(picture, h.extent(1), h.extent(2)) : Tensor{};
  return level.skip_conv ? (*level.skip_conv)(level.skip_norm(h), {}, sum) : sum;
}

// Empty without skip blocks.
Tensor UNet::State::ascend(Tensor& h, std::vector<Tensor>& skips, const Times& time) const {
  Tensor picture;
  for (const UpLevel& level : up) {
    for (std::size_t i = 0; i < level.resnets.size(); ++i) {
      const Tensor skip = std::move(skips.back());
      skips.pop_back();
      h = resnet(level.resnets[i], h, i == 0 || !level.joins_last_only ? skip : Tensor{}, time);
      if (level.attentions.size() == level.resnets.size()) h = level.attentions[i](h);
    }
    if (level.attentions.size() < level.resnets.size() && !level.attentions.empty()) h = level.attentions.back()(h);
    if (level.doubles_picture) picture = doubled(level, picture, h);
    if (skips.empty()) continue;
    const Size size{skips.back().extent(1), skips.back().extent(2)};
    if (level.filters) h = fir_upsample(h, size.height, size.width, FirBorder::reflect);
    if (level.upsample) {
      h = (*level.upsample)(upsample_nearest(h, size.height, size.width));
    } else if (level.upsample_resnet) {
      h = resnet(*level.upsample_resnet, h, {}, time, size);
    }
  }
  return picture;
}

Tensor UNet::State::forward(const Tensor& x, const Tensor& t, const Condition& condition) const {
  const Tensor times = times_of(t, x.extent(0), context), embedded = embedding(times, condition);
  const Times time{embedded, activate(embedded, config.act_fn)};
  const Tensor picture = config.center_input_sample ? affine(x, 2, -1) : x;
  Tensor h = conv_in(picture);
  std::vector<Tensor> skips{h};
  descend(h, picture, skips, time);
  if (config.mid_block) {
    h = resnet(middle.resnets[0], h, {}, time);
    if (middle.attention) h = (*middle.attention)(h);
    h = resnet(middle.resnets[1], h, {}, time);
  }
  const Tensor sum = ascend(h, skips, time);
  const Tensor y = conv_out(norm_out.of(h), {}, sum);
  return config.time_embedding_type == TimeEmbedding::fourier ? div(y, times) : y;
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
  return state_->forward(x, t, condition);
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
