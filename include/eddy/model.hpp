// Models. UNet: the network of DDPM, with the fields, defaults and parameter names of diffusers' UNet2DModel.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eddy/network.hpp"
#include "eddy/nn.hpp"

namespace eddy::inline v0_1 {

// DownBlock2D, ResnetDownsampleBlock2D, AttnDownBlock2D, SkipDownBlock2D, AttnSkipDownBlock2D, KDownBlock2D. Skip blocks are
// those of NCSN++ [Song2020, H]: the picture itself, filtered to every size, is added on the way down.
enum class DownBlock { down, resnet_down, attn_down, skip_down, attn_skip_down, k_down };
// UpBlock2D, ResnetUpsampleBlock2D, AttnUpBlock2D, SkipUpBlock2D, AttnSkipUpBlock2D, KUpBlock2D. Skip blocks add their
// pictures up to the output.
enum class UpBlock { up, resnet_up, attn_up, skip_up, attn_skip_up, k_up };
enum class Resampling { conv, resnet };  // of attn_down and attn_up
// "positional": sinusoids; "fourier": random features of ln t, the output is divided by t; "learned": rows of a table.
enum class TimeEmbedding { positional, fourier, learned };
enum class TimeScaleShift { add, scale_shift };         // "default", "scale_shift"
enum class ClassEmbedding { none, timestep, identity };

struct UNetConfig {
  std::int64_t sample_height = 0, sample_width = 0;  // sample_size; 0: none. Only told, any size is taken.
  std::int64_t in_channels = 3;
  std::int64_t out_channels = 3;
  bool center_input_sample = false;               // 2 x - 1 first
  TimeEmbedding time_embedding_type = TimeEmbedding::positional;
  std::optional<std::int64_t> time_embedding_dim;  // none: 4 block_out_channels[0]
  double freq_shift = 0;
  bool flip_sin_to_cos = true;
  std::vector<DownBlock> down_block_types{DownBlock::down, DownBlock::attn_down, DownBlock::attn_down,
                                          DownBlock::attn_down};
  bool mid_block = true;  // mid_block_type UNetMidBlock2D, or null
  std::vector<UpBlock> up_block_types{UpBlock::attn_up, UpBlock::attn_up, UpBlock::attn_up, UpBlock::up};
  std::vector<std::int64_t> block_out_channels{224, 448, 672, 896};
  int layers_per_block = 2;
  double mid_block_scale_factor = 1;
  int downsample_padding = 1;  // 0: one row below and one column to the right
  Resampling downsample_type = Resampling::conv;
  Resampling upsample_type = Resampling::conv;
  double dropout = 0;
  Activation act_fn = Activation::silu;
  std::optional<std::int64_t> attention_head_dim = 8;  // channels of a head; none: one head
  // Not of skip blocks, which have min(channels / 4, 32), nor of k blocks, which have channels / 32; none: they alone.
  std::optional<int> norm_num_groups = 32;
  std::optional<int> attn_norm_num_groups;  // of the middle block; none: norm_num_groups, or no norm with scale_shift
  double norm_eps = 1e-5;
  TimeScaleShift resnet_time_scale_shift = TimeScaleShift::add;
  bool add_attention = true;  // in the middle block
  ClassEmbedding class_embed_type = ClassEmbedding::none;
  std::optional<std::int64_t> num_class_embeds;  // rows of a table of class embeddings
  std::optional<std::int64_t> num_train_timesteps;  // rows of the table of a learned time embedding
  // Fields that a file had in other words of the same meaning ("swish", [8, 8], 1.0), as JSON: written as they were read.
  std::vector<std::pair<std::string, std::string>> spelling;

  friend bool operator==(const UNetConfig&, const UNetConfig&) = default;
};

struct ModelOptions {
  bool allocate = true;    // false: parameters are declared only, tree().allocate() brings their memory
  bool initialise = true;  // false: zeros, for a model that a file will fill
  std::uint64_t seed = 0;
  Initialisation initialisation = Initialisation::paper;
  Context context{};
};

// A handle: copies share weights, clone() copies them.
class EDDY_API UNet {
 public:
  // Throws Error naming the field for a configuration that cannot be built.
  explicit UNet(const UNetConfig& config, const ModelOptions& options = {});

  // x: (N, H, W, in_channels), t: (N), (1) or scalar, positive with a fourier time embedding, whole and below
  // num_train_timesteps with a learned one; class_labels: i64 (N) or (1), or with class_embed_type f32 (N) (timestep),
  // (N, time embedding) (identity) -> (N, H, W, out_channels). Throws Error for names it does not know.
  Tensor operator()(const Tensor& x, const Tensor& t, const Condition& condition = {}) const;
  operator Network() const {
    return [unet = *this](const Tensor& x, const Tensor& t, const Condition& c) { return unet(x, t, c); };
  }

  const UNetConfig& config() const;
  const ParameterTree& tree() const;
  const std::vector<Parameter>& parameters() const { return tree().parameters(); }
  UNet clone() const;
  // Keeps only the inputs of residual blocks for backward and runs them again: time for memory.
  void set_checkpoint(bool on) const;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace eddy::inline v0_1
