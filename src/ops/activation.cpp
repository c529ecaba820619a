// Activations: y = f(x), dx = dy f'(x); x is kept, never y.
#include "ops/support.hpp"
#include "tensor/elementwise.hpp"

namespace eddy::inline v0_1 {

namespace {

Tensor slope_times(Call& call, const Tensor& g) {
  const Tensor x = call.input(0);
  Tensor dx = make(x.shape(), x.context());
  x.context().kernels().activation.backward(launch_of(x.context()), call.attributes<ActivationKind>(), x.elements(),
                                            data(x), data(g), write(dx));
  return dx;
}

constexpr Operation kActivate{
    "activate",
    [](Call& call) {
      const Tensor x = call.input(0);
      call.keep_input(0);
      Tensor y = make(x.shape(), x.context());
      x.context().kernels().activation.forward(launch_of(x.context()), call.attributes<ActivationKind>(), x.elements(),
                                               data(x), write(y));
      return y;
    },
    [](Call& call, const Tensor& g, std::span<Tensor> result) { result[0] = slope_times(call, g); },
    [](Call& call, std::span<const Tensor> t) { return slope_times(call, t[0]); }, true};

Tensor run(const Tensor& x, ActivationKind kind) {
  require_f32(x, "activate", "x");
  return apply(kActivate, {x}, attributes(kind));
}

}  // namespace

Tensor activate(const Tensor& x, Activation activation) {
  return activation == Activation::none ? x : run(x, static_cast<ActivationKind>(activation));
}
Tensor silu(const Tensor& x) { return run(x, ActivationKind::silu); }
Tensor exp(const Tensor& x) { return run(x, ActivationKind::exp); }
Tensor square(const Tensor& x) { return mul(x, x); }

}  // namespace eddy::inline v0_1
