// Self-attention over the pixels of a picture [Ho2020, B], in the form of diffusers' Attention with a residual.
#include "eddy/error.hpp"
#include "model/blocks.hpp"

namespace eddy::inline v0_1 {

AttentionBlock::AttentionBlock(const ParameterTree& tree, std::int64_t channels, const AttentionBlockOptions& options)
    : options_(options) {
  if (options.head_channels < 1 || options.head_channels > channels) {
    throw Error(tree.prefix() + ": attention_head_dim must be 1 to the " + std::to_string(channels) + " channels, got " +
                std::to_string(options.head_channels));
  }
  heads_ = static_cast<int>(channels / options.head_channels);
  const std::int64_t inner = heads_ * options.head_channels;  // as many whole heads as the channels hold, as in diffusers
  if (options.groups > 0) norm_ = GroupNorm(tree.in("group_norm"), channels, {options.groups, options.eps});
  to_q_ = Linear(tree.in("to_q"), channels, inner);
  to_k_ = Linear(tree.in("to_k"), channels, inner);
  to_v_ = Linear(tree.in("to_v"), channels, inner);
  to_out_ = Linear(tree.in("to_out").in("0"), inner, channels, {.zero = true});
}

Tensor AttentionBlock::operator()(const Tensor& x) const {
  const Tensor tokens = reshape(x, {x.extent(0), x.extent(1) * x.extent(2), x.extent(3)});  // (N, H W, C)
  const Tensor h = options_.groups > 0 ? norm_(tokens) : tokens;
  const Tensor mixed = attention(to_q_(h), to_k_(h), to_v_(h), {.heads = heads_});
  const Tensor sum = reshape(to_out_(mixed, tokens), x.shape());
  return options_.output_scale == 1 ? sum : affine(sum, 1 / options_.output_scale);
}

}  // namespace eddy::inline v0_1
