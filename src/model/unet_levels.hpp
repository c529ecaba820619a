// The levels of a U-Net: what stands at one size of the picture on the way down, in the middle, on the way up.
#pragma once

#include <optional>
#include <vector>

#include "model/blocks.hpp"

namespace eddy::inline v0_1 {

// Layers, then a step to half the size (but at the last level).
struct DownLevel {
  std::vector<ResnetBlock> resnets;
  std::vector<AttentionBlock> attentions;  // none, or one a residual block
  std::optional<Conv2d> downsample;
  std::optional<ResnetBlock> downsample_resnet;
  std::optional<Conv2d> skip_conv;  // of the picture at half the size, added after the step
  bool filters = false;             // the step is the filter (1, 3, 3, 1) alone, and is no skip connection
};

// Layers over the skip connections, then a step to twice the size (but at the last level).
struct UpLevel {
  std::vector<ResnetBlock> resnets;
  std::vector<AttentionBlock> attentions;  // none, one a residual block, or one behind them all
  std::optional<Conv2d> upsample;
  std::optional<ResnetBlock> upsample_resnet;
  bool doubles_picture = false;  // of the skip blocks
  GroupNorm skip_norm;
  std::optional<Conv2d> skip_conv;  // the level's part of the picture
  bool filters = false;             // the step is the filter (1, 3, 3, 1) alone
  bool joins_last_only = false;     // of its skip connections, one a residual block, only the newest is joined
};

struct Middle {
  std::vector<ResnetBlock> resnets;
  std::optional<AttentionBlock> attention;
};

inline bool is_skip(DownBlock type) { return type == DownBlock::skip_down || type == DownBlock::attn_skip_down; }
inline bool is_skip(UpBlock type) { return type == UpBlock::skip_up || type == UpBlock::attn_skip_up; }

DownLevel make_down(const ParameterTree& tree, const UNetConfig& config, std::size_t level, std::int64_t time_channels);
// i counts from the smallest size.
UpLevel make_up(const ParameterTree& tree, const UNetConfig& config, std::size_t i, std::int64_t time_channels);
Middle make_middle(const ParameterTree& tree, const UNetConfig& config, std::int64_t time_channels);

// Groups of the last norm, which norm_num_groups leaves open where only skip blocks are.
int groups_or_default(const UNetConfig& config, std::int64_t channels);

}  // namespace eddy::inline v0_1
