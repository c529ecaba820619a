// The convolution layer.
#include "eddy/nn.hpp"

namespace eddy::inline v0_1 {

namespace {
Tensor value_or_none(const Parameter& parameter) { return parameter.defined() ? parameter.value() : Tensor{}; }
}  // namespace

Conv2d::Conv2d(const ParameterTree& tree, std::int64_t in, std::int64_t out, const Conv2dLayerOptions& o)
    : options(o.conv) {
  const std::int64_t area = std::int64_t{o.kernel} * o.kernel;
  weight = tree.add("weight", {out, in, o.kernel, o.kernel}, weight_initializer(tree, in * area, out * area, o.zero));
  if (o.bias) bias = tree.add("bias", {out}, bias_initializer(tree, in * area));
}

Tensor Conv2d::operator()(const Tensor& x, const Tensor& sample_bias, const Tensor& residual) const {
  return conv2d(x, weight.value(), value_or_none(bias), options, {}, sample_bias, residual);
}

Tensor Conv2d::operator()(const GroupNormed& x, const Tensor& sample_bias, const Tensor& residual) const {
  return conv2d(x, weight.value(), value_or_none(bias), options, sample_bias, residual);
}

Tensor Conv2d::joined(const Tensor& x, const Tensor& x2) const {
  return conv2d(x, weight.value(), value_or_none(bias), options, x2);
}

}  // namespace eddy::inline v0_1
