// Convolution of pictures, with the bias, a bias a sample and a residual added in the same pass.
//
//   y[n, p, o] = sum_{tap, c} W[o, c, tap] x[n, p stride - pad + tap, c] + bias[o] + sample_bias[n, o] + residual[n, p, o]
//
// 1x1 convolutions of stride 1 are products of rows, and may read a second input behind the first.
#include "ops/conv2d.hpp"

#include "autograd/node.hpp"
#include "ops/matrix.hpp"

namespace eddy::inline v0_1 {

ConvShape checked_conv2d(const Shape& x, std::int64_t in2, const Tensor& weight, const Tensor& bias, const Conv2dOptions& o,
                         const Tensor& sample_bias, const Tensor& residual) {
  require(weight.defined() && weight.rank() == 4 && weight.dtype() != DType::i64 && weight.extent(0) > 0, "conv2d",
          [&] { return "weight must be (O, I, kh, kw) of floating point, O at least 1, got " + shape_of(weight); });
  require(o.stride > 0 && o.pad_top >= 0 && o.pad_left >= 0 && o.pad_bottom >= 0 && o.pad_right >= 0, "conv2d",
          [] { return "the stride must be positive and the padding not negative"; });
  const std::int64_t in = x[3] + in2, kh = weight.extent(2), kw = weight.extent(3);
  require(weight.extent(1) == in && in > 0, "conv2d", [&] {
    return "weight " + to_string(weight.shape()) + " takes " + std::to_string(weight.extent(1)) + " channels, x" +
           (in2 > 0 ? " and x2 have " : " has ") + std::to_string(in);
  });
  const std::int64_t high = x[1] + o.pad_top + o.pad_bottom - kh, wide = x[2] + o.pad_left + o.pad_right - kw;
  require(high >= 0 && wide >= 0 && kh > 0 && kw > 0, "conv2d", [&] {
    return "the kernel of " + to_string(weight.shape()) + " is larger than the padded picture of " + to_string(x);
  });
  const ConvShape s{.n = x[0], .height = x[1], .width = x[2], .in = x[3], .out = weight.extent(0),
                    .out_height = high / o.stride + 1, .out_width = wide / o.stride + 1, .kernel_height = kh, .kernel_width = kw,
                    .stride = o.stride, .pad_top = o.pad_top, .pad_left = o.pad_left};
  require_shape_if(bias, {s.out}, "conv2d", "bias");
  require_shape_if(sample_bias, {s.n, s.out}, "conv2d", "sample_bias");
  require_shape_if(residual, {s.n, s.out_height, s.out_width, s.out}, "conv2d", "residual");
  return s;
}

Tensor packed_convolution(const Tensor& weight, const ConvShape& shape) {
  const Context& context = weight.context();
  const auto& kernels = context.kernels().conv2d;
  const std::int64_t length = kernels.forward_packed(shape);
  if (length == 0) return {};
  const auto pack = [&] {
    const Tensor wide = widened(weight);
    Tensor packed = make({length}, context);
    kernels.pack_forward(launch_of(context), shape, data(wide), write(packed));
    return packed;
  };
  return derived(weight, kPackedConvolution + kernels.forward_algorithm(shape), pack);
}

GradientWeights::GradientWeights(const Tensor& weight, const ConvShape& s)
    : wide(widened(weight)), packed(weight.context(), bytes(weight.context().kernels().conv2d.backward_data_packed(s))) {
  const auto& kernels = weight.context().kernels().conv2d;
  if (kernels.backward_data_packed(s) > 0) {
    kernels.pack_backward_data(launch_of(weight.context()), s, data(wide), packed.floats());
  }
}

void write_weight_gradient(const ConvShape& s, const Tensor& x, const Tensor& g, const Tensor& dw) {
  const Context& context = g.context();
  const auto& kernels = context.kernels().conv2d;
  const PoolBlock scratch(context, bytes(kernels.backward_weight_scratch(s, context.slots())));
  kernels.backward_weight(launch_of(context), s, data(x), data(g), write(dw), scratch.floats());
}

namespace {

enum Input { kX, kWeight, kBias, kX2, kSampleBias, kResidual };

struct Attributes {
  ConvShape shape;
  std::int64_t in2 = 0;
  bool pointwise = false;
  std::int64_t rows() const { return shape.n * shape.out_height * shape.out_width; }
  std::int64_t pixels() const { return shape.out_height * shape.out_width; }
};

void forward_pointwise(const Call& call, const Attributes& a, const Tensor& y) {
  const Tensor weight = call.input(kWeight);
  const Tensor packed = packed_transposed(weight);
  const auto& kernels = y.context().kernels().linear;
  const LinearShape shape{a.rows(), a.shape.in, a.in2, a.shape.out};
  const PoolBlock scratch(y.context(), bytes(kernels.forward_scratch(shape, y.context().slots())));
  kernels.forward(launch_of(y.context()), shape, data(call.input(kX)), data(call.input(kX2)), data(packed),
                  data(call.input(kBias)), data(call.input(kSampleBias)), a.pixels(), data(call.input(kResidual)), write(y),
                  scratch.floats());
}

Tensor forward(Call& call) {
  const auto& a = call.attributes<Attributes>();
  const ConvShape& s = a.shape;
  if (call.wants(kX) || call.wants(kX2)) call.keep_input(kWeight);
  if (call.wants(kWeight)) {
    call.keep_input(kX);
    if (call.has(kX2)) call.keep_input(kX2);
  }
  const Context& context = call.context();
  Tensor y = make({s.n, s.out_height, s.out_width, s.out}, context);
  if (a.pointwise) {
    forward_pointwise(call, a, y);
    return y;
  }
  const auto& kernels = context.kernels().conv2d;
  const Tensor weight = call.input(kWeight), packed = packed_convolution(weight, s);
  const Tensor wide = packed.defined() ? Tensor{} : widened(weight);
  const PoolBlock scratch(context, bytes(kernels.forward_scratch(s, context.slots())));
  kernels.forward(launch_of(context), s, data(call.input(kX)), data(wide), data(packed), data(call.input(kBias)),
                  data(call.input(kSampleBias)), data(call.input(kResidual)), write(y), scratch.floats());
  return y;
}

Tensor data_gradient(const Tensor& weight, const ConvShape& s, const Tensor& g) {
  const Context& context = g.context();
  const auto& kernels = context.kernels().conv2d;
  const GradientWeights weights(weight, s);
  const PoolBlock scratch(context, bytes(kernels.backward_data_scratch(s, context.slots())));
  Tensor dx = make({s.n, s.height, s.width, s.in}, context);
  kernels.backward_data(launch_of(context), s, data(g), data(weights.wide), weights.packed.floats(), write(dx), scratch.floats());
  return dx;
}

void vjp_pointwise(Call& call, const Attributes& a, const Tensor& g, std::span<Tensor> result) {
  const std::int64_t rows = a.rows();
  if (call.wants(kX)) {
    result[kX] = make(call.input_shape(kX), g.context());
    rows_times_weight(g, rows, call.input(kWeight), 0, a.shape.in, call.gradient_so_far(kX), result[kX]);
  }
  if (call.wants(kX2)) {
    result[kX2] = make(call.input_shape(kX2), g.context());
    rows_times_weight(g, rows, call.input(kWeight), a.shape.in, a.in2, call.gradient_so_far(kX2), result[kX2]);
  }
  if (call.wants(kWeight)) {
    result[kWeight] = call.gradient_memory(kWeight);
    weight_gradient(call.input(kX), a.shape.in, g, rows, result[kWeight], 0);
    if (a.in2 > 0) weight_gradient(call.input(kX2), a.in2, g, rows, result[kWeight], a.shape.in);
  }
}

void vjp(Call& call, const Tensor& g, std::span<Tensor> result) {
  const auto& a = call.attributes<Attributes>();
  const ConvShape& s = a.shape;
  if (a.pointwise) {
    vjp_pointwise(call, a, g, result);
  } else {
    if (call.wants(kX)) result[kX] = data_gradient(call.input(kWeight), s, g);
    if (call.wants(kWeight)) {
      result[kWeight] = call.gradient_memory(kWeight);
      write_weight_gradient(s, call.input(kX), g, result[kWeight]);
    }
  }
  if (call.wants(kResidual)) result[kResidual] = g;
  if (!call.wants(kBias) && !call.wants(kSampleBias)) return;
  const Tensor sums = group_sums(g, s.n, a.pixels(), s.out);  // (n, out)
  if (call.wants(kSampleBias)) result[kSampleBias] = sums;
  if (call.wants(kBias)) result[kBias] = bias_gradient(sums, s.n, s.out);
}

constexpr Operation kConv2d{"conv2d", forward, vjp};

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& o, const Tensor& x2,
              const Tensor& sample_bias, const Tensor& residual) {
  require_f32(x, "conv2d", "x");
  require(x.rank() == 4, "conv2d", [&] { return "x must be (N, H, W, C), got " + shape_of(x); });
  if (x2.defined()) {
    require_f32(x2, "conv2d", "x2");
    require(x2.rank() == 4 && x2.extent(0) == x.extent(0) && x2.extent(1) == x.extent(1) && x2.extent(2) == x.extent(2),
            "conv2d", [&] { return "x2 must have the pixels of x, got " + shape_of(x) + " and " + shape_of(x2); });
  }
  Attributes a;
  a.in2 = x2.defined() ? x2.extent(3) : 0;
  a.shape = checked_conv2d(x.shape(), a.in2, weight, bias, o, sample_bias, residual);
  const ConvShape& s = a.shape;
  const bool by_pixels = s.kernel_height == 1 && s.kernel_width == 1 && s.stride == 1;
  a.pointwise = by_pixels && s.out_height == s.height && s.out_width == s.width;
  require(a.pointwise || !x2.defined(), "conv2d", [] { return "x2 needs a 1x1 kernel of stride 1 without padding"; });
  return apply(kConv2d, {x, weight, bias, x2, sample_bias, residual}, attributes(std::move(a)));
}

}  // namespace eddy::inline v0_1
