// What a U-Net's configuration must fulfil before anything is built.
#include "model/unet_check.hpp"

#include <string>

#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

namespace {

void require(bool holds, const std::string& message) {
  if (!holds) throw Error("UNet: " + message);
}

}  // namespace

void check(const UNetConfig& c) {
  const std::size_t levels = c.block_out_channels.size();
  require(levels > 0, "block_out_channels must not be empty");
  require(c.down_block_types.size() == levels && c.up_block_types.size() == levels,
          "down_block_types, up_block_types and block_out_channels must have one entry a level, got " +
              std::to_string(c.down_block_types.size()) + ", " + std::to_string(c.up_block_types.size()) + " and " +
              std::to_string(levels));
  require(c.in_channels > 0 && c.out_channels > 0, "in_channels and out_channels must be positive");
  require(c.layers_per_block > 0, "layers_per_block must be positive, got " + std::to_string(c.layers_per_block));
  for (const std::int64_t channels : c.block_out_channels) {
    require(channels > 0, "block_out_channels must be positive, got " + std::to_string(channels));
  }
  require(c.block_out_channels[0] > 1, "block_out_channels[0] must be at least 2: it holds a sine and a cosine");
  require(c.norm_eps > 0, "norm_eps must be positive");
  require(c.dropout >= 0 && c.dropout < 1, "dropout must be in [0, 1), got " + std::to_string(c.dropout));
  require(c.downsample_padding == 0 || c.downsample_padding == 1,
          "downsample_padding must be 0 or 1, got " + std::to_string(c.downsample_padding));
  require(c.mid_block_scale_factor != 0, "mid_block_scale_factor must not be 0");
  require(!c.num_class_embeds || *c.num_class_embeds > 0, "num_class_embeds must be positive");
  require(!c.time_embedding_dim || *c.time_embedding_dim > 0, "time_embedding_dim must be positive");
}

}  // namespace eddy::inline v0_1
