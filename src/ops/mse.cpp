// The mean squared error of each sample; the formulas are in kernels/mse.cpp. The inputs are kept.
#include "ops/support.hpp"

namespace eddy::inline v0_1 {

namespace {

enum Input { kA, kB, kWeight };

Tensor forward(Call& call) {
  for (int i = kA; i <= kWeight; ++i) {
    if (call.has(i)) call.keep_input(i);
  }
  const Tensor a = call.input(kA), b = call.input(kB), weight = call.input(kWeight);
  const std::int64_t n = a.extent(0);
  Tensor y = make({n}, a.context());
  a.context().kernels().mse.forward(launch_of(a.context()), n, a.elements() / n, data(a), data(b), data(weight), write(y));
  return y;
}

void vjp(Call& call, const Tensor& g, std::span<Tensor> result) {
  const Tensor a = call.input(kA), b = call.input(kB), weight = call.input(kWeight);
  const std::int64_t n = a.extent(0);
  for (int i = kA; i <= kWeight; ++i) {
    if (call.wants(i)) result[static_cast<std::size_t>(i)] = make(call.input_shape(i), a.context());
  }
  a.context().kernels().mse.backward(launch_of(a.context()), n, a.elements() / n, data(a), data(b), data(weight), data(g),
                                     write(result[kA]), write(result[kB]), write(result[kWeight]));
}

constexpr Operation kMse{"mse_per_sample", forward, vjp};

}  // namespace

Tensor mse_per_sample(const Tensor& a, const Tensor& b, const Tensor& weight) {
  require_f32(a, "mse_per_sample", "a");
  require(a.rank() > 0 && a.elements() > 0, "mse_per_sample", [&] { return "needs samples, got " + shape_of(a); });
  require_shape(b, a.shape(), "mse_per_sample", "b");
  require_shape_if(weight, {a.extent(0)}, "mse_per_sample", "weight");
  return apply(kMse, {a, b, weight});
}

}  // namespace eddy::inline v0_1
