// Convolution of a group norm, as one operation: the norm's output goes no further. kernels/norm_conv2d.cpp tells what that
// spares. For the gradient of the weights the output is made again.
#include "autograd/node.hpp"
#include "ops/conv2d.hpp"
#include "ops/group_norm.hpp"
#include "ops/matrix.hpp"

namespace eddy::inline v0_1 {

namespace {

enum Input { kWeight = NormWork::kInputs, kBias, kSampleBias, kResidual };

struct Attributes {
  GroupNormOptions norm;
  ConvShape conv;
};

Tensor forward(Call& call) {
  const auto& a = call.attributes<Attributes>();
  const Context& context = call.context();
  const auto& kernels = context.kernels();
  const bool of_norm = NormWork::wanted(call);
  if (of_norm) call.keep_input(kWeight);
  if (of_norm || call.wants(kWeight)) NormWork::keep_inputs(call);
  const NormWork w(call, a.norm);
  const NormConvShape shape{w.shape, a.conv};
  const Tensor weight = call.input(kWeight), packed = packed_convolution(weight, a.conv);
  const Tensor wide = packed.defined() ? Tensor{} : widened(weight);
  Tensor stats = make({w.shape.n, w.shape.groups, 2}, context);
  Tensor y = make({a.conv.n, a.conv.out_height, a.conv.out_width, a.conv.out}, context);
  const PoolBlock scratch(context, bytes(kernels.norm_conv2d.forward_scratch(kernels, shape, context.slots())));
  kernels.norm_conv2d.forward(launch_of(context), kernels, shape, w.inputs, data(wide), data(packed), data(call.input(kBias)),
                              data(call.input(kSampleBias)), data(call.input(kResidual)), write(stats), write(y),
                              scratch.floats());
  if (of_norm || call.wants(kWeight)) call.save(stats);
  return y;
}

// The gradients of the norm's inputs; sums (n, out) of g over pixels where they are given.
void input_gradients(const Call& call, const Attributes& a, const NormWork& w, const Tensor& g, const Tensor& sums,
                     std::span<Tensor> result) {
  const Context& context = g.context();
  const auto& kernels = context.kernels();
  const NormConvShape shape{w.shape, a.conv};
  const NormGradients gradients(call, result);
  const GradientWeights weights(call.input(kWeight), a.conv);
  const PoolBlock scratch(context, bytes(kernels.norm_conv2d.backward_scratch(kernels, shape, context.slots())));
  kernels.norm_conv2d.backward(launch_of(context), kernels, shape, w.inputs, data(call.saved(0)), data(g), data(weights.wide),
                               weights.packed.floats(), gradients.to, write(sums), scratch.floats());
}

// Gradients of weights read each sample several times, so the norm's output is made as a whole.
void weight_gradient(const Call& call, const Attributes& a, const NormWork& w, const Tensor& g, const Tensor& dw) {
  const Context& context = g.context();
  const Tensor x = make({a.conv.n, a.conv.height, a.conv.width, a.conv.in}, context);
  {
    const PoolBlock scratch(context, w.scratch_bytes());
    w.kernels().forward(launch_of(context), w.shape, w.inputs, true, write(call.saved(0)), write(x), scratch.floats());
  }
  write_weight_gradient(a.conv, x, g, dw);
}

void vjp(Call& call, const Tensor& g, std::span<Tensor> result) {
  const auto& a = call.attributes<Attributes>();
  const bool of_norm = NormWork::wanted(call), of_sums = call.wants(kBias) || call.wants(kSampleBias);
  const std::int64_t pixels = a.conv.out_height * a.conv.out_width;
  Tensor sums;
  if (of_norm || call.wants(kWeight)) {
    const NormWork w(call, a.norm);
    if (of_norm) {
      if (of_sums) sums = make({a.conv.n, a.conv.out}, g.context());
      input_gradients(call, a, w, g, sums, result);
    }
    if (call.wants(kWeight)) {
      result[kWeight] = call.gradient_memory(kWeight);
      weight_gradient(call, a, w, g, result[kWeight]);
    }
  }
  if (of_sums && !of_norm) sums = group_sums(g, a.conv.n, pixels, a.conv.out);
  if (call.wants(kResidual)) result[kResidual] = g;
  if (call.wants(kSampleBias)) result[kSampleBias] = sums;
  if (call.wants(kBias)) result[kBias] = bias_gradient(sums, a.conv.n, a.conv.out);
}

constexpr Operation kNormConv2d{"norm_conv2d", forward, vjp};

}  // namespace

Tensor conv2d(const GroupNormed& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& o, const Tensor& sample_bias,
              const Tensor& residual) {
  const Shape shape = checked_norm(x);
  const bool picture = shape.rank() == 4 && weight.defined() && weight.rank() == 4;
  if (!picture || weight.extent(2) * weight.extent(3) == 1) {  // refused, or a product of rows
    return conv2d(group_norm(x), weight, bias, o, {}, sample_bias, residual);
  }
  Attributes a{x.options, checked_conv2d(shape, 0, weight, bias, o, sample_bias, residual)};
  return apply(kNormConv2d, {x.x, x.gamma, x.beta, x.x2, x.scale, x.shift, weight, bias, sample_bias, residual},
               attributes(std::move(a)));
}

}  // namespace eddy::inline v0_1
