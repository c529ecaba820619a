// The residual block of DDPM's U-Net [Ho2020, B], in the form of diffusers' ResnetBlock2D.
//
//   h   = conv1(resize(act(norm1([x, skip]))))
//   h   = act(norm2(h + W act(time)))               "default"
//   h   = act(norm2(h) (1 + scale) + shift)         "scale_shift", [scale, shift] = W act(time) [Nichol2021, 2]
//   h   = act(ada2(conv1(act(ada1([x, skip])))))    adaptive: ada(h) = norm(h) (1 + scale) + shift, [scale, shift] = W time
//   out = (shortcut(resize([x, skip])) + conv2(dropout(h))) / output_scale
//
// act(time) is the same for every block and is taken once, outside.
#include "eddy/error.hpp"
#include "model/blocks.hpp"

namespace eddy::inline v0_1 {

ResnetBlock::ResnetBlock(const ParameterTree& tree, std::int64_t in, std::int64_t out, const BlockOptions& options,
                         Resize resize)
    : options_(options), resize_(resize), out_(out), dropout_path_(tree.prefix() + "dropout") {
  const bool silu = options.activation == Activation::silu;  // silu is part of the norm's pass
  const GroupNormOptions norm{options.groups, options.eps, silu ? Activation::silu : Activation::none};
  const GroupNormOptions norm_out{options.groups_out >= 0 ? options.groups_out : norm.groups, norm.eps, norm.activation};
  // In the order of diffusers, by which weights are cut into shards.
  if (options.adaptive) {
    adaptive1_ = AdaptiveGroupNorm(tree.in("norm1"), options.time_channels, in, norm);
  } else {
    norm1_ = GroupNorm(tree.in("norm1"), in, norm);
  }
  conv1_ = Conv2d(tree.in("conv1"), in, out);
  if (options.adaptive) {
    adaptive2_ = AdaptiveGroupNorm(tree.in("norm2"), options.time_channels, out, norm_out);
  } else {
    const std::int64_t time_out = options.time_norm == TimeScaleShift::scale_shift ? 2 * out : out;
    time_ = Linear(tree.in("time_emb_proj"), options.time_channels, time_out);
    norm2_ = GroupNorm(tree.in("norm2"), out, norm_out);
  }
  conv2_ = Conv2d(tree.in("conv2"), out, out, {.zero = true});
  has_shortcut_ = in != out || resize == Resize::fir_down || resize == Resize::fir_up;
  const Conv2dLayerOptions pointwise{.kernel = 1, .conv = {}, .bias = !options.adaptive};
  if (has_shortcut_) shortcut_ = Conv2d(tree.in("conv_shortcut"), in, out, pointwise);
}

Tensor ResnetBlock::activated(const GroupNormed& norm) const {
  const Tensor y = group_norm(norm);
  return norm.options.activation == options_.activation ? y : activate(y, options_.activation);
}

Tensor ResnetBlock::convolved(const Conv2d& conv, const GroupNormed& norm, const Tensor& sample_bias,
                              const Tensor& residual) const {
  if (norm.options.activation == options_.activation) return conv(norm, sample_bias, residual);
  return conv(activated(norm), sample_bias, residual);
}

Tensor ResnetBlock::resized(const Tensor& x, std::optional<Size> up_to) const {
  const Size size = up_to.value_or(Size{2 * x.extent(1), 2 * x.extent(2)});
  switch (resize_) {
    case Resize::none:
      return x;
    case Resize::down:
      return avg_pool2(x);
    case Resize::up:
      return upsample_nearest(x, size.height, size.width);
    case Resize::fir_down:
      return fir_downsample(x);
    case Resize::fir_up:
      return fir_upsample(x, size.height, size.width);
  }
  return x;
}

// The residual branch up to its second norm.
GroupNormed ResnetBlock::inside(const Tensor& x, const Tensor& skip, const Tensor& time, std::optional<Size> up_to) const {
  const bool shifts = !options_.adaptive && options_.time_norm != TimeScaleShift::scale_shift;
  const GroupNormed norm1 = options_.adaptive ? adaptive1_.of(x, skip, time) : norm1_.of(x, skip);
  const Tensor t = options_.adaptive ? Tensor{} : time_(time);  // (N, out) or (N, 2 out)
  const Tensor bias = shifts ? t : Tensor{};
  const Tensor h = resize_ == Resize::none ? convolved(conv1_, norm1, bias) : conv1_(resized(activated(norm1), up_to), bias);
  if (options_.adaptive) return adaptive2_.of(h, {}, time);
  return shifts ? norm2_.of(h) : norm2_.of(h, {}, slice(t, 0, out_), slice(t, out_, out_));
}

Tensor ResnetBlock::operator()(const Tensor& x, const Tensor& skip, const Tensor& time,
                               std::optional<Size> up_to) const {
  const GroupNormed h = inside(x, skip, time, up_to);  // (N, H, W, out)
  const Tensor straight = resize_ == Resize::none ? x : resized(x, up_to);
  const Tensor joined = has_shortcut_    ? shortcut_.joined(straight, skip)
                        : skip.defined() ? concat(straight, skip)  // as many channels as the block makes
                                         : straight;
  const bool drops = options_.dropout != 0 && dropout_key() != nullptr;
  const Tensor sum = drops ? conv2_(dropout(activated(h), options_.dropout, dropout_path_), {}, joined)
                           : convolved(conv2_, h, {}, joined);
  return options_.output_scale == 1 ? sum : affine(sum, 1 / options_.output_scale);
}

AdaptiveGroupNorm::AdaptiveGroupNorm(const ParameterTree& tree, std::int64_t time_channels, std::int64_t channels,
                                     const GroupNormOptions& o)
    : linear(tree.in("linear"), time_channels, 2 * channels), options(o) {
  if (o.groups < 1 || channels % o.groups != 0) {
    throw Error("group norm " + tree.prefix() + ": " + std::to_string(o.groups) + " groups do not divide " +
                std::to_string(channels) + " channels; change block_out_channels");
  }
}

GroupNormed AdaptiveGroupNorm::of(const Tensor& x, const Tensor& x2, const Tensor& time) const {
  const Tensor t = linear(time);  // (N, 2 channels)
  const std::int64_t channels = t.extent(1) / 2;
  return {x, Tensor::full({channels}, 1, x.context()), Tensor::zeros({channels}, x.context()), options, x2,
          slice(t, 0, channels), slice(t, channels, channels)};
}

Conv2d downsample_conv(const ParameterTree& tree, std::int64_t channels, int padding) {
  Conv2dOptions conv{.stride = 2, .pad_top = padding, .pad_left = padding, .pad_bottom = padding, .pad_right = padding};
  if (padding == 0) conv.pad_bottom = conv.pad_right = 1;
  return Conv2d(tree, channels, channels, {.conv = conv});
}

}  // namespace eddy::inline v0_1
