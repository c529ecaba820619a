#include "autograd/node.hpp"

#include "autograd/accumulate.hpp"
#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

TEST_CASE("derived: a form of a parameter is made once a version, and each time while a tape is recorded") {
  const ParameterTree tree;
  const Parameter w = tree.add("w", {4}, {Initializer::Kind::ones});
  tree.allocate();
  tree.initialise(0);
  int made = 0;
  const auto form = [&](int kind) {
    return derived(w.value(), kind, [&] { return ++made, affine(w.value().detached(), kind); }).values()[0];
  };
  CHECK(form(2) == 2);
  CHECK(form(2) == 2);
  CHECK(made == 2);
  made = 0;
  const NoGrad off;
  CHECK(form(2) == 2);
  CHECK(form(3) == 3);
  CHECK(form(2) == 2);
  CHECK(made == 2);
  w.write()[0] = 5;
  CHECK(form(2) == 10);
  CHECK(form(3) == 15);
  CHECK(form(3) == 15);
  CHECK(made == 4);
}

TEST_CASE("derived: making a form may ask for the same one, as other work on a host's threads does") {
  const Tensor value = Tensor::full({4}, 1).variable();
  const NoGrad off;
  int made = 0;
  Tensor inner;
  const Tensor outer = derived(value, 5, [&] {
    inner = derived(value, 5, [&] { return ++made, affine(value.detached(), 3); });
    return ++made, affine(value.detached(), 3);
  });
  CHECK(made == 2);
  CHECK(outer.raw() == inner.raw());  // the first that was ready serves all
  CHECK(derived(value, 5, [&] { return ++made, Tensor(); }).raw() == inner.raw());
  CHECK(made == 2);
}

TEST_CASE("derived: layers see new weights at once") {
  const ParameterTree tree;
  const Linear linear_layer(tree.in("linear"), 2, 1, {.bias = false});
  const Conv2d conv(tree.in("conv"), 1, 1);
  tree.allocate();
  const NoGrad off;
  const Tensor x = Tensor::full({1, 2}, 1), image = Tensor::full({1, 8, 8, 1}, 1);
  CHECK(linear_layer(x).item() == 0);
  CHECK(conv(image).values()[0] == 0);
  linear_layer.weight.write()[1] = 3;
  conv.weight.write()[4] = 2;
  CHECK(linear_layer(x).item() == 3);
  CHECK(conv(image).values()[9] == Approx(2).margin(1e-5));
}

TEST_CASE("accumulate: adds in place when nobody else sees the total, else into new memory") {
  const Tensor one = Tensor::full({40000}, 1);
  Tensor total;
  accumulate(total, one);
  accumulate(total, one);
  CHECK(one.values()[39999] == 1);
  CHECK(total.values()[39999] == 2);
  const void* const place = total.raw();
  accumulate(total, one);
  CHECK(total.raw() == place);
  CHECK(total.values()[0] == 3);
  add_into(total, total);
  CHECK(total.values()[39999] == 6);
}
