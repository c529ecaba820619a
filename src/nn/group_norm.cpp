// The group norm layer.
#include "eddy/error.hpp"
#include "eddy/nn.hpp"

namespace eddy::inline v0_1 {

GroupNorm::GroupNorm(const ParameterTree& tree, std::int64_t channels, const GroupNormOptions& o) : options(o) {
  if (o.groups < 1 || channels % o.groups != 0) {
    throw Error("group norm " + tree.prefix() + ": " + std::to_string(o.groups) + " groups do not divide " +
                std::to_string(channels) + " channels; change norm_num_groups or block_out_channels");
  }
  weight = tree.add("weight", {channels}, {Initializer::Kind::ones});
  bias = tree.add("bias", {channels}, {Initializer::Kind::zeros});
}

Tensor GroupNorm::operator()(const Tensor& x, const Tensor& x2, const Tensor& scale, const Tensor& shift) const {
  return group_norm(of(x, x2, scale, shift));
}

GroupNormed GroupNorm::of(const Tensor& x, const Tensor& x2, const Tensor& scale, const Tensor& shift) const {
  return {x, weight.value(), bias.value(), options, x2, scale, shift};
}

}  // namespace eddy::inline v0_1
