#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

// A user's own: x y, with a jvp.
constexpr Operation kProduct{"product",
                             [](Call& call) {
                               if (call.wants(0)) call.keep_input(1);
                               if (call.wants(1)) call.keep_input(0);
                               return mul(call.input(0).detached(), call.input(1).detached());
                             },
                             [](Call& call, const Tensor& g, std::span<Tensor> result) {
                               if (call.wants(0)) result[0] = mul(g, call.input(1));
                               if (call.wants(1)) result[1] = mul(g, call.input(0));
                             },
                             [](Call& call, std::span<const Tensor> t) {
                               Tensor total;
                               if (call.wants(0)) total = mul(t[0], call.input(1));
                               if (call.wants(1)) total = total.defined() ? add(total, mul(t[1], call.input(0))) : mul(t[1], call.input(0));
                               return total;
                             }};

Tensor product(const Tensor& x, const Tensor& y) { return apply(kProduct, {x, y}); }

Tensor scalar(float value) { return Tensor::scalar(value); }

Tensor polynomial(std::span<const Tensor> in) {  // 3 x^2 y
  const Tensor x = affine(in[0], 3);
  return product(product(x, in[0]), in[1]);
}

}  // namespace

TEST_CASE("jvp: a derivative along all inputs, or some, through shared and repeated ones") {
  const Tensor in[] = {scalar(2), scalar(5)};
  const Tensor both[] = {scalar(1), scalar(10)}, first[] = {scalar(1), {}}, second[] = {{}, scalar(1)};
  const Jvp all = jvp(polynomial, in, both);
  CHECK(all.value.item() == 60);
  CHECK(all.tangent.item() == 60 + 120);
  CHECK(!all.value.requires_grad());
  CHECK(!all.tangent.requires_grad());
  CHECK(jvp(polynomial, in, first).tangent.item() == 60);
  CHECK(jvp(polynomial, in, second).tangent.item() == 12);
}

TEST_CASE("jvp: works under NoGrad, and is zero where nothing depends on the inputs") {
  const NoGrad off;
  const Tensor in[] = {scalar(2), scalar(5)}, t[] = {scalar(1), scalar(0)}, none[] = {Tensor(), Tensor()};
  CHECK(jvp(polynomial, in, t).tangent.item() == 60);
  CHECK(jvp(polynomial, in, none).tangent.item() == 0);
  const Jvp constant = jvp([](std::span<const Tensor>) { return Tensor::full({2}, 3); }, in, t);
  CHECK(constant.value.values()[1] == 3);
  CHECK(constant.tangent.values()[1] == 0);
  const Jvp same = jvp([](std::span<const Tensor> x) { return x[0]; }, in, t);
  CHECK(same.tangent.item() == 1);
  CHECK(!grad_enabled());
}

TEST_CASE("jvp: an operation without one is named, and what does not fit is refused") {
  const Tensor in[] = {Tensor::full({2, 3}, 1)}, t[] = {Tensor::full({2, 3}, 1)}, other[] = {Tensor::full({3}, 1)};
  const auto norm = [](std::span<const Tensor> x) { return mean(square(silu(x[0]))); };
  CHECK_THROWS_WITH(jvp(norm, in, t), Catch::Contains("jvp: the operation mul has no forward derivative"));
  CHECK_THROWS_WITH(jvp(norm, in, other), Catch::Contains("(2, 3)") && Catch::Contains("(3)"));
  CHECK_THROWS_WITH(jvp(norm, in, {}), Catch::Contains("1 inputs, but 0 tangents"));
  CHECK_THROWS_AS(jvp([](std::span<const Tensor>) { return Tensor(); }, in, t), Error);
}
