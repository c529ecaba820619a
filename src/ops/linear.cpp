// y = x W^T + bias + residual.
//
//   dx = dy W,  dW = dy^T x,  dbias = sum over rows of dy,  dresidual = dy
#include "autograd/node.hpp"
#include "ops/matrix.hpp"

namespace eddy::inline v0_1 {

namespace {

enum Input { kX, kWeight, kBias, kResidual };

Tensor forward(Call& call) {
  const Tensor x = call.input(kX), weight = call.input(kWeight);
  if (call.wants(kX)) call.keep_input(kWeight);
  if (call.wants(kWeight)) call.keep_input(kX);
  const std::int64_t in = weight.extent(1), out = weight.extent(0);
  Tensor y = make(with_last(x.shape(), out), x.context());
  const Tensor packed = packed_transposed(weight);
  const LinearShape shape{x.elements() / in, in, 0, out};
  const auto& kernels = x.context().kernels().linear;
  const PoolBlock scratch(x.context(), bytes(kernels.forward_scratch(shape, x.context().slots())));
  kernels.forward(launch_of(x.context()), shape, data(x), nullptr, data(packed), data(call.input(kBias)), nullptr, 0,
                  data(call.input(kResidual)), write(y), scratch.floats());
  return y;
}

void vjp(Call& call, const Tensor& g, std::span<Tensor> result) {
  const std::int64_t in = call.input_shape(kWeight)[1], out = call.input_shape(kWeight)[0];
  const std::int64_t rows = g.elements() / out;
  if (call.wants(kX)) {
    result[kX] = make(call.input_shape(kX), g.context());
    rows_times_weight(g, rows, call.input(kWeight), 0, in, call.gradient_so_far(kX), result[kX]);
  }
  if (call.wants(kWeight)) {
    result[kWeight] = call.gradient_memory(kWeight);
    weight_gradient(call.input(kX), in, g, rows, result[kWeight], 0);
  }
  if (call.wants(kBias)) result[kBias] = bias_gradient(g, rows, out);
  if (call.wants(kResidual)) result[kResidual] = g;
}

constexpr Operation kLinear{"linear", forward, vjp};

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& residual) {
  require_f32(x, "linear", "x");
  require(weight.defined() && weight.rank() == 2 && weight.dtype() != DType::i64 && weight.extent(0) > 0, "linear",
          [&] { return "weight must be (O, I) of floating point, O at least 1, got " + shape_of(weight); });
  require(x.rank() > 0 && x.extent(-1) == weight.extent(1) && weight.extent(1) > 0, "linear", [&] {
    return "x must end in I of weight " + to_string(weight.shape()) + ", got " + to_string(x.shape());
  });
  require_shape_if(bias, {weight.extent(0)}, "linear", "bias");
  require_shape_if(residual, with_last(x.shape(), weight.extent(0)), "linear", "residual");
  return apply(kLinear, {x, weight, bias, residual});
}

}  // namespace eddy::inline v0_1
