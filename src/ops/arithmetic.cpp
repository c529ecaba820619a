// a + b, a - b, a b, a / b with b broadcast over samples.
//
//   d(a b) = b da + a db,  d(a / b) = da / b - (a / b) db / b; where b was broadcast its gradient is summed.
#include "ops/support.hpp"
#include "tensor/elementwise.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr const char* kNames[] = {"add", "sub", "mul", "div"};

template <Arithmetic K>
Tensor forward(Call& call) {
  const Tensor a = call.input(0), b = call.input(1);
  if (K == Arithmetic::mul || K == Arithmetic::div) {
    if (call.wants(0) || K == Arithmetic::div) call.keep_input(1);
    if (call.wants(1)) call.keep_input(0);
  }
  return arithmetic(K, a, b, call.attributes<Broadcast>());
}

template <Arithmetic K>
void vjp(Call& call, const Tensor& g, std::span<Tensor> result) {
  const Broadcast broadcast = call.attributes<Broadcast>();
  const auto times = [&](Arithmetic kind, const Tensor& x, const Tensor& y) { return arithmetic(kind, x, y, broadcast); };
  if (call.wants(0)) {
    if (K == Arithmetic::add || K == Arithmetic::sub) result[0] = g;
    if (K == Arithmetic::mul || K == Arithmetic::div) result[0] = times(K, g, call.input(1));
  }
  if (!call.wants(1)) return;
  Tensor full = g;  // gradient of b before it is summed
  if (K == Arithmetic::sub) full = scaled(g, -1, 0);
  if (K == Arithmetic::mul) full = arithmetic(Arithmetic::mul, g, call.input(0), Broadcast::same);
  if (K == Arithmetic::div) {
    const Tensor quotient = times(Arithmetic::div, call.input(0), call.input(1));
    const Tensor scaled_g = times(Arithmetic::div, scaled(g, -1, 0), call.input(1));
    full = arithmetic(Arithmetic::mul, scaled_g, quotient, Broadcast::same);
  }
  result[1] = reduced(full, call.input_shape(1), broadcast);
}

template <Arithmetic K>
constexpr Operation kOperation{kNames[static_cast<int>(K)], forward<K>, vjp<K>};

template <Arithmetic K>
Tensor run(const Tensor& a, const Tensor& b) {
  const char* name = kOperation<K>.name;
  require_f32(a, name, "the first input");
  require_f32(b, name, "the second input");
  return apply(kOperation<K>, {a, b}, attributes(broadcast_of(name, a.shape(), b.shape())));
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) { return run<Arithmetic::add>(a, b); }
Tensor sub(const Tensor& a, const Tensor& b) { return run<Arithmetic::sub>(a, b); }
Tensor mul(const Tensor& a, const Tensor& b) { return run<Arithmetic::mul>(a, b); }
Tensor div(const Tensor& a, const Tensor& b) { return run<Arithmetic::div>(a, b); }

}  // namespace eddy::inline v0_1
