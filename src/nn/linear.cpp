// The linear layer y = x W^T + b.
#include "eddy/nn.hpp"

namespace eddy::inline v0_1 {

Linear::Linear(const ParameterTree& tree, std::int64_t in, std::int64_t out, const LinearOptions& options) {
  weight = tree.add("weight", {out, in}, weight_initializer(tree, in, out, options.zero));
  if (options.bias) bias = tree.add("bias", {out}, bias_initializer(tree, in));
}

Tensor Linear::operator()(const Tensor& x, const Tensor& residual) const {
  return linear(x, weight.value(), bias.defined() ? bias.value() : Tensor{}, residual);
}

}  // namespace eddy::inline v0_1
