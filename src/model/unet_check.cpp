// What a U-Net's configuration must fulfil before anything is built.
#include "model/unet_check.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "eddy/error.hpp"
#include "model/unet_levels.hpp"

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

void check_time(const UNetConfig& c) {
  const bool learned = c.time_embedding_type == TimeEmbedding::learned;
  require(!learned || c.num_train_timesteps, "num_train_timesteps must be given with a time_embedding_type of learned");
  if (c.time_embedding_type != TimeEmbedding::positional) return;
  const std::int64_t first = c.block_out_channels[0];
  require(first > 1, "block_out_channels[0] must be at least 2: it holds a sine and a cosine");
  require(c.freq_shift < static_cast<double>(first / 2),
          "freq_shift must be below half of block_out_channels[0], got " + std::to_string(c.freq_shift));
}

std::string place(std::size_t i) {
  std::string text("[");
  text += std::to_string(i);
  return text += ']';
}

// Pictures go along with skip blocks alone: another block before them on the way down, or behind them on the way up, would
// leave the picture at another size than the channels. The last block of each way has no step.
void check_skip_blocks(const UNetConfig& c) {
  const std::size_t last = c.block_out_channels.size() - 1;
  bool other_before = false, skip_before = false;
  for (std::size_t i = 0; i <= last; ++i) {
    const bool down = is_skip(c.down_block_types[i]), up = is_skip(c.up_block_types[i]), steps = i < last;
    const std::string at = place(i);
    require(!(down && steps && other_before), "down_block_types" + at + " is a skip block: those before it must be too");
    require(!(!up && skip_before), "up_block_types" + at + " follows a skip block: it must be one too");
    require(!(down && steps && c.in_channels != 3),
            "in_channels must be 3 with skip blocks in down_block_types, got " + std::to_string(c.in_channels));
    require(!(up && steps && c.out_channels != 3),
            "out_channels must be 3 with skip blocks in up_block_types, got " + std::to_string(c.out_channels));
    const bool own_groups = (down || c.down_block_types[i] == DownBlock::k_down) && (up || c.up_block_types[i] == UpBlock::k_up);
    require(c.norm_num_groups || own_groups,
            "norm_num_groups must be given where down_block_types or up_block_types" + at + " is neither a skip nor a k block");
    other_before = other_before || !down;
    skip_before = skip_before || up;
  }
}

// What a place holds: channels at a size, counted in halvings.
struct Place {
  std::int64_t channels;
  std::size_t level;
};

std::vector<Place> skips_of(const UNetConfig& c) {
  std::vector<Place> skips{{c.block_out_channels[0], 0}};
  for (std::size_t i = 0; i < c.block_out_channels.size(); ++i) {
    const Place here{c.block_out_channels[i], i};
    skips.insert(skips.end(), static_cast<std::size_t>(c.layers_per_block), here);
    const bool steps = i + 1 < c.block_out_channels.size();
    if (steps && c.down_block_types[i] != DownBlock::k_down) skips.push_back({here.channels, i + 1});
  }
  return skips;
}

// Each block of the way up finds the skip connections that it was made for: the k blocks hand on and take one fewer a level
// than others, so that the two ways must go together.
void check_ways(const UNetConfig& c) {
  std::vector<Place> skips = skips_of(c);
  const std::size_t last = c.block_out_channels.size() - 1;
  Place h{c.block_out_channels[last], last};
  for (std::size_t i = 0; i <= last; ++i, h.level -= h.level > 0 ? 1 : 0) {
    const bool k = c.up_block_types[i] == UpBlock::k_up;
    const std::int64_t own = c.block_out_channels[last - i], next = c.block_out_channels[last - std::min(i + 1, last)];
    const auto layers = static_cast<std::size_t>(c.layers_per_block + (k ? 0 : 1));
    bool fits = skips.size() >= layers && (k || h.channels == c.block_out_channels[i == 0 ? last : last - i + 1]);
    for (std::size_t j = 0; fits && j < layers; ++j) {
      const Place skip = skips[skips.size() - 1 - j];
      const std::int64_t expected = !k && j + 1 == layers ? next : own;
      if (!k || j == 0) fits = skip.level == h.level && skip.channels == expected && (!k || h.channels == own);
    }
    require(fits, "up_block_types" + place(i) + " does not fit what down_block_types hand on: KDownBlock2D (but in the "
                  "last place) and KUpBlock2D go together");
    skips.resize(skips.size() - layers);
    h.channels = k ? next : own;
  }
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
  check_time(c);
  check_skip_blocks(c);
  check_ways(c);
  const auto known = {Activation::silu, Activation::mish, Activation::gelu, Activation::relu};
  require(std::ranges::find(known, c.act_fn) != known.end(), "act_fn must be silu, mish, gelu or relu");
  require(c.norm_eps > 0, "norm_eps must be positive");
  require(c.dropout >= 0 && c.dropout < 1, "dropout must be in [0, 1), got " + std::to_string(c.dropout));
  require(c.downsample_padding == 0 || c.downsample_padding == 1,
          "downsample_padding must be 0 or 1, got " + std::to_string(c.downsample_padding));
  require(c.mid_block_scale_factor != 0, "mid_block_scale_factor must not be 0");
  require(!c.num_class_embeds || counts(*c.num_class_embeds), "num_class_embeds must be 1 to 2^20");
  require(!c.num_train_timesteps || counts(*c.num_train_timesteps), "num_train_timesteps must be 1 to 2^20");
  require(!c.time_embedding_dim || counts(*c.time_embedding_dim), "time_embedding_dim must be 1 to 2^20");
}

}  // namespace eddy::inline v0_1
