// The blocks of the U-Net, as in diffusers: residual block, attention, resampling, time embedding.
#pragma once

#include <optional>
#include <string>

#include "eddy/model.hpp"
#include "eddy/nn.hpp"

namespace eddy::inline v0_1 {

struct Size {
  std::int64_t height, width;
};

// linear_1, activation, linear_2.
struct TimestepEmbedding {
  Linear linear_1, linear_2;
  Activation activation = Activation::silu;
  TimestepEmbedding() = default;
  TimestepEmbedding(const ParameterTree& tree, std::int64_t in, std::int64_t out, Activation activation);
  Tensor operator()(const Tensor& x) const;
};

// What residual blocks of one network share.
struct BlockOptions {
  std::int64_t time_channels = 0;
  int groups = 32;
  int groups_out = -1;  // of norm2; -1: groups
  double eps = 1e-5;
  Activation activation = Activation::silu;
  TimeScaleShift time_norm = TimeScaleShift::add;
  double dropout = 0;
  double output_scale = 1;
  bool adaptive = false;  // time makes scale and shift of both norms, which have no weights; no bias in the shortcut
};

enum class Resize { none, down, up, fir_down, fir_up };  // means of 2x2 and nearest neighbours, or the filter (1, 3, 3, 1)

// Group norm without weights, times 1 + scale plus shift, [scale, shift] = linear(time) (diffusers: AdaGroupNorm).
struct AdaptiveGroupNorm {
  Linear linear;
  GroupNormOptions options;
  AdaptiveGroupNorm() = default;
  AdaptiveGroupNorm(const ParameterTree& tree, std::int64_t time_channels, std::int64_t channels,
                    const GroupNormOptions& options);
  // x2: joined to x along the channels, may be empty.
  GroupNormed of(const Tensor& x, const Tensor& x2, const Tensor& time) const;
};

// norm1, activation, [resize], conv1, + time, norm2, activation, dropout, conv2, + shortcut. The shortcut is a 1x1
// convolution where the channels differ or the filter resizes, else the input.
class ResnetBlock {
 public:
  ResnetBlock() = default;
  ResnetBlock(const ParameterTree& tree, std::int64_t in, std::int64_t out, const BlockOptions& options,
              Resize resize = Resize::none);
  // skip: joined to x along the channels, may be empty. time: embedding (N, time_channels), activated unless adaptive().
  // up_to: the size that a block that resizes up goes to.
  Tensor operator()(const Tensor& x, const Tensor& skip, const Tensor& time, std::optional<Size> up_to = {}) const;
  bool adaptive() const { return options_.adaptive; }

 private:
  GroupNormed inside(const Tensor& x, const Tensor& skip, const Tensor& time, std::optional<Size> up_to) const;
  // act(norm), and its convolution. Silu is part of the norm's pass.
  Tensor activated(const GroupNormed& norm) const;
  Tensor convolved(const Conv2d& conv, const GroupNormed& norm, const Tensor& sample_bias, const Tensor& residual = {}) const;
  Tensor resized(const Tensor& x, std::optional<Size> up_to) const;

  BlockOptions options_;
  Resize resize_ = Resize::none;
  std::int64_t out_ = 0;
  std::string dropout_path_;
  GroupNorm norm1_, norm2_;
  AdaptiveGroupNorm adaptive1_, adaptive2_;
  Conv2d conv1_, conv2_, shortcut_;
  Linear time_;
  bool has_shortcut_ = false;
};

struct AttentionBlockOptions {
  std::int64_t head_channels = 8;
  int groups = 32;  // 0: no norm
  double eps = 1e-5;
  double output_scale = 1;
};

// Self-attention over the pixels: group_norm, to_q, to_k, to_v, to_out.0, + x.
class AttentionBlock {
 public:
  AttentionBlock() = default;
  AttentionBlock(const ParameterTree& tree, std::int64_t channels, const AttentionBlockOptions& options);
  Tensor operator()(const Tensor& x) const;

 private:
  AttentionBlockOptions options_;
  int heads_ = 1;
  GroupNorm norm_;
  Linear to_q_, to_k_, to_v_, to_out_;
};

// A 3x3 convolution of stride 2; padding 0 pads one row below and one column to the right.
Conv2d downsample_conv(const ParameterTree& tree, std::int64_t channels, int padding);

}  // namespace eddy::inline v0_1
