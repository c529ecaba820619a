// The residual block of DDPM's U-Net [Ho2020, B], in the form of diffusers' ResnetBlock2D.
//
//   h   = conv1(resize(act(norm1([x, skip]))))
//   h   = act(norm2(h + W act(time)))               "default"
//   h   = act(norm2(h) (1 + scale) + shift)         "scale_shift", [scale, shift] = W act(time) [Nichol2021, 2]
//   out = (resize(shortcut([x, skip])) + conv2(dropout(h))) / output_scale
//
// act(time) is the same for every block and is taken once, outside.
#include "model/blocks.hpp"

namespace eddy::inline v0_1 {

ResnetBlock::ResnetBlock(const ParameterTree& tree, std::int64_t in, std::int64_t out, const BlockOptions& options,
                         Resize resize)
    : options_(options), resize_(resize), out_(out), dropout_path_(tree.prefix() + "dropout") {
  const bool silu = options.activation == Activation::silu;  // silu is part of the norm's pass
  const GroupNormOptions norm{options.groups, options.eps, silu ? Activation::silu : Activation::none};
  norm1_ = GroupNorm(tree.in("norm1"), in, norm);
  conv1_ = Conv2d(tree.in("conv1"), in, out);
  const std::int64_t time_out = options.time_norm == TimeScaleShift::scale_shift ? 2 * out : out;
  time_ = Linear(tree.in("time_emb_proj"), options.time_channels, time_out);
  norm2_ = GroupNorm(tree.in("norm2"), out, norm);
  conv2_ = Conv2d(tree.in("conv2"), out, out, {.zero = true});
  has_shortcut_ = in != out;
  if (has_shortcut_) shortcut_ = Conv2d(tree.in("conv_shortcut"), in, out, {.kernel = 1, .conv = {}});
}

Tensor ResnetBlock::normed(const GroupNorm& norm, const Tensor& x, const Tensor& x2, const Tensor& scale,
                           const Tensor& shift) const {
  const Tensor y = norm(x, x2, scale, shift);
  return options_.activation == Activation::silu ? y : activate(y, options_.activation);
}

Tensor ResnetBlock::resized(const Tensor& x, std::optional<Size> up_to) const {
  switch (resize_) {
    case Resize::none:
      return x;
    case Resize::down:
      return avg_pool2(x);
    case Resize::up: {
      const Size size = up_to.value_or(Size{2 * x.extent(1), 2 * x.extent(2)});
      return upsample_nearest(x, size.height, size.width);
    }
  }
  return x;
}

Tensor ResnetBlock::operator()(const Tensor& x, const Tensor& skip, const Tensor& time,
                               std::optional<Size> up_to) const {
  const Tensor a = resized(normed(norm1_, x, skip), up_to);  // (N, H, W, in)
  const Tensor t = time_(time);                              // (N, out) or (N, 2 out)
  Tensor h;                                                  // (N, H, W, out)
  if (options_.time_norm == TimeScaleShift::scale_shift) {
    h = normed(norm2_, conv1_(a), {}, slice(t, 0, out_), slice(t, out_, out_));
  } else {
    h = normed(norm2_, conv1_(a, t));
  }
  h = dropout(h, options_.dropout, dropout_path_);
  const Tensor straight = resize_ == Resize::none ? x : resized(x, up_to);
  const Tensor residual = has_shortcut_ ? shortcut_.joined(straight, skip) : straight;
  const Tensor sum = conv2_(h, {}, residual);
  return options_.output_scale == 1 ? sum : affine(sum, 1 / options_.output_scale);
}

Conv2d downsample_conv(const ParameterTree& tree, std::int64_t channels, int padding) {
  Conv2dOptions conv{.stride = 2, .pad_top = padding, .pad_left = padding, .pad_bottom = padding, .pad_right = padding};
  if (padding == 0) conv.pad_bottom = conv.pad_right = 1;
  return Conv2d(tree, channels, channels, {.conv = conv});
}

}  // namespace eddy::inline v0_1
