// What a U-Net's configuration must fulfil before anything is built.
#include "model/unet_check.hpp"

#include <algorithm>
#include <string>

#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

namespace {

// Far above every model, and far below what would overflow the products of extents.
constexpr std::int64_t kMost = 1 << 20;
constexpr std::size_t kMostLevels = 16;
constexpr int kMostLayers = 100;

bool counts(std::int64_t channels) { return channels > 0 && channels <= kMost; }

void require(bool holds, const std::string& message) {
  if (!holds) throw Error("UNet: " + message);
}

}  // namespace

void check(const UNetConfig& c) {
  const std::size_t levels = c.block_out_channels.size();
  require(levels > 0 && levels <= kMostLevels, "block_out_channels must have 1 to 16 levels, got " + std::to_string(levels));
  require(c.down_block_types.size() == levels && c.up_block_types.size() == levels,
          "down_block_types, up_block_types and block_out_channels must have one entry a level, got " +
              std::to_string(c.down_block_types.size()) + ", " + std::to_string(c.up_block_types.size()) + " and " +
              std::to_string(levels));
  require(counts(c.in_channels) && counts(c.out_channels), "in_channels and out_channels must be 1 to 2^20");
  require(c.layers_per_block > 0 && c.layers_per_block <= kMostLayers,
          "layers_per_block must be 1 to 100, got " + std::to_string(c.layers_per_block));
  for (const std::int64_t channels : c.block_out_channels) {
    require(counts(channels), "block_out_channels must be 1 to 2^20, got " + std::to_string(channels));
  }
  require(c.block_out_channels[0] > 1, "block_out_channels[0] must be at least 2: it holds a sine and a cosine");
  const auto known = {Activation::silu, Activation::mish, Activation::gelu, Activation::relu};
  require(std::ranges::find(known, c.act_fn) != known.end(), "act_fn must be silu, mish, gelu or relu");
  require(c.norm_eps > 0, "norm_eps must be positive");
  require(c.dropout >= 0 && c.dropout < 1, "dropout must be in [0, 1), got " + std::to_string(c.dropout));
  require(c.downsample_padding == 0 || c.downsample_padding == 1,
          "downsample_padding must be 0 or 1, got " + std::to_string(c.downsample_padding));
  require(c.mid_block_scale_factor != 0, "mid_block_scale_factor must not be 0");
  require(!c.num_class_embeds || counts(*c.num_class_embeds), "num_class_embeds must be 1 to 2^20");
  require(!c.time_embedding_dim || counts(*c.time_embedding_dim), "time_embedding_dim must be 1 to 2^20");
}

}  // namespace eddy::inline v0_1
