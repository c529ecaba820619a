// Operations of a user's own: public headers alone.
#include <eddy/eddy.hpp>
#include <stdexcept>

#include "support/catch.hpp"

using namespace eddy;

namespace {

std::vector<float> list(const Tensor& x) { return {x.values().begin(), x.values().end()}; }

Tensor mapped(const Tensor& x, float (*f)(float)) {
  Tensor y = x.clone();
  for (float& value : y.mutable_values()) value = f(value);
  return y;
}

// y = x^power + shift, element by element; shift may be absent.
struct Power {
  int power;
};

const Operation kPower{"power",
                       [](Call& call) {
                         call.keep_input(0);
                         const int power = call.attributes<Power>().power;
                         Tensor y = Tensor::uninitialised(call.input_shape(0), DType::f32, call.context());
                         const auto out = y.mutable_values();
                         for (std::size_t i = 0; i < out.size(); ++i) {
                           out[i] = call.has(1) ? call.input(1).values()[i] : 0;
                           float product = 1;
                           for (int k = 0; k < power; ++k) product *= call.input(0).values()[i];
                           out[i] += product;
                         }
                         return y;
                       },
                       [](Call& call, const Tensor& g, std::span<Tensor> result) {
                         if (call.wants(0)) {
                           result[0] = Tensor::uninitialised(call.input_shape(0), DType::f32, call.context());
                           const auto out = result[0].mutable_values();
                           const int power = call.attributes<Power>().power;
                           for (std::size_t i = 0; i < out.size(); ++i) {
                             out[i] = g.values()[i] * static_cast<float>(power);
                             for (int k = 1; k < power; ++k) out[i] *= call.input(0).values()[i];
                           }
                         }
                         if (call.wants(1)) result[1] = g;
                       }};

Tensor power(const Tensor& x, int n, const Tensor& shift = {}) {
  return apply(kPower, {x, shift}, std::make_shared<const Power>(Power{n}));
}

Tensor copy_forward(Call& call) { return call.input(0).clone(); }
void pass(Call&, const Tensor& g, std::span<Tensor> result) { result[0] = g; }

}  // namespace

TEST_CASE("own operation: forward, gradient, attributes and an absent input") {
  const Tensor x = Tensor::from({1.f, -2.f, 3.f}, {3}).variable(), shift = Tensor::full({3}, 10).variable();
  const Tensor y = power(x, 3, shift);
  CHECK(list(y) == std::vector<float>{11, 2, 37});
  const auto both = gradients(sum(y * y), {x, shift});
  CHECK(list(both[0]) == std::vector<float>{66, 48, 1998});
  CHECK(list(both[1]) == std::vector<float>{22, 4, 74});
  CHECK(list(gradients(sum(power(x, 2)), {x})[0]) == std::vector<float>{2, -4, 6});
}

TEST_CASE("own operation: an input that forward did not keep is an Error that names both") {
  static const Operation forgetful{
      "forgetful", copy_forward,
      [](Call& call, const Tensor& g, std::span<Tensor> result) { result[0] = g * call.input(0); }};
  const Tensor x = Tensor::scalar(2).variable();
  CHECK_THROWS_WITH(gradients(apply(forgetful, {x}), {x}), Catch::Contains("forgetful") && Catch::Contains("input 0"));
}

TEST_CASE("own operation: one without a gradient runs where none is wanted only") {
  static const Operation plain{"plain", copy_forward, nullptr};
  const Tensor x = Tensor::scalar(2).variable();
  CHECK_THROWS_WITH(apply(plain, {x}), Catch::Contains("plain") && Catch::Contains("NoGrad"));
  CHECK(apply(plain, {x.detached()}).item() == 2);
  const NoGrad off;
  CHECK(!apply(plain, {x}).requires_grad());
}

TEST_CASE("own operation: what it saves comes back in order, and it is told what is wanted") {
  static int wanted_forward, wanted_backward;
  static const Operation saver{"saver",
                               [](Call& call) {
                                 wanted_forward = call.wants(0) + 2 * call.wants(1);
                                 call.save(Tensor::scalar(5, call.context()));
                                 call.save(mapped(call.input(1), [](float v) { return v + 1; }));
                                 return call.input(0).clone();
                               },
                               [](Call& call, const Tensor& g, std::span<Tensor> result) {
                                 wanted_backward = call.wants(0) + 2 * call.wants(1);
                                 if (call.wants(0)) result[0] = affine(g, static_cast<double>(call.saved(0).item()));
                                 if (call.wants(1)) result[1] = g * call.saved(1);
                               }};
  const Tensor a = Tensor::full({2}, 1), b = Tensor::full({2}, 7);
  const Tensor va = a.variable(), vb = b.variable();
  CHECK(list(gradients(sum(apply(saver, {va, b})), {va})[0]) == std::vector<float>{5, 5});
  CHECK(wanted_forward == 1);
  CHECK(wanted_backward == 1);
  const Tensor both = apply(saver, {va, vb});
  CHECK(wanted_forward == 3);
  CHECK(list(gradients(sum(both), {vb})[0]) == std::vector<float>{8, 8});
  CHECK(wanted_backward == 2);  // recorded for both, asked for one
  apply(saver, {a, b});
  CHECK(wanted_forward == 0);
}

TEST_CASE("own operation: nothing is saved or kept while nothing is recorded") {
  static const Operation saver{"saver",
                               [](Call& call) {
                                 call.keep_input(0);
                                 call.save(Tensor::zeros({100000}, call.context()));
                                 return Tensor::scalar(1, call.context());
                               },
                               pass};
  ContextOptions options;
  options.threads = 1;
  const Context context(options);
  const Tensor x = Tensor::scalar(1, context).variable();
  const Tensor off = apply(saver, {x.detached()});
  CHECK(context.memory().in_use < 4000);
  const Tensor on = apply(saver, {x});
  CHECK(context.memory().in_use > 400000);
}

TEST_CASE("own operation: an empty gradient stands for zero, one of another shape is an Error") {
  static const Operation silent{"silent", copy_forward, [](Call&, const Tensor&, std::span<Tensor>) {}};
  static const Operation crooked{
      "crooked", copy_forward, [](Call&, const Tensor&, std::span<Tensor> result) { result[0] = Tensor::zeros({3}); }};
  const Tensor x = Tensor::full({2}, 1).variable();
  CHECK(list(gradients(sum(apply(silent, {x}) + x), {x})[0]) == std::vector<float>{1, 1});
  CHECK_THROWS_WITH(gradients(sum(apply(crooked, {x})), {x}),
                    Catch::Contains("crooked") && Catch::Contains("(3)") && Catch::Contains("(2)"));
}

TEST_CASE("own operation: its own exceptions pass unchanged, forward and backward") {
  static const Operation forward{"throws", [](Call&) -> Tensor { throw std::out_of_range("forward"); }, pass};
  static const Operation backward{"throws", copy_forward,
                                  [](Call&, const Tensor&, std::span<Tensor>) { throw std::out_of_range("backward"); }};
  const Tensor x = Tensor::scalar(1).variable();
  CHECK_THROWS_AS(apply(forward, {x}), std::out_of_range);
  CHECK_THROWS_AS(gradients(apply(backward, {x}), {x}), std::out_of_range);
  CHECK(grad_enabled());
}

TEST_CASE("own operation: no inputs at all, or more than 64, are Errors") {
  static const Operation any{"any", copy_forward, pass};
  CHECK_THROWS_WITH(apply(any, {Tensor{}, Tensor{}}), Catch::Contains("any"));
  const std::vector<Tensor> many(65, Tensor::scalar(1)), most(64, Tensor::scalar(1));
  CHECK_THROWS_WITH(eddy::apply(any, many), Catch::Contains("64"));
  CHECK(eddy::apply(any, most).item() == 1);
}

TEST_CASE("own operation: one marked remake runs again in backward instead of being kept") {
  static int forwards, remade;
  static const Operation triple{"triple",
                                [](Call& call) {
                                  call.keep_input(0);
                                  ++forwards;
                                  remade += call.remaking() ? 1 : 0;
                                  return affine(call.input(0), 3);
                                },
                                [](Call&, const Tensor& g, std::span<Tensor> result) { result[0] = affine(g, 3); },
                                nullptr, true};
  forwards = remade = 0;
  const Tensor x = Tensor::from({1.f, 2.f}, {2}).variable();
  const Tensor root = sum(clamp(apply(triple, {affine(x, 1)}), 0, 4));
  CHECK(forwards == 1);
  CHECK(list(gradients(root, {x})[0]) == std::vector<float>{3, 0});
  CHECK(forwards == 2);
  CHECK(remade == 1);
  forwards = 0;
  gradients(sum(affine(apply(triple, {x}), 2)), {x});  // nobody needs the output
  CHECK(forwards == 1);
}

TEST_CASE("own operation: the output of a remade one is not held by the tape") {
  static const auto scale = [](Call& call) {
    call.keep_input(0);
    return affine(call.input(0), 3);
  };
  static const Operation kept{"kept", scale, pass}, remade{"remade", scale, pass, nullptr, true};
  ContextOptions options;
  options.threads = 1;
  const auto held = [&](const Operation& operation) {
    const Context context(options);
    const Tensor x = Tensor::zeros({100000}, context).variable();
    const Tensor root = sum(square(apply(operation, {x})));
    return context.memory().in_use;
  };
  CHECK(held(remade) + 400000 <= held(kept));
}
