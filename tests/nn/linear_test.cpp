#include <cmath>

#include "nn/layers.hpp"
#include "support/catch.hpp"

using namespace eddy;
using namespace eddy::test;

TEST_CASE("linear layer: weight (out, in) and a bias unless told, zero when asked") {
  const ParameterTree tree;
  const Linear layer(tree.in("a"), 300, 100), bare(tree.in("b"), 5, 3, {.bias = false}),
      zero(tree.in("c"), 5, 3, {.zero = true});
  CHECK(layer.weight.shape() == Shape{100, 300});
  CHECK(layer.bias.name() == "a.bias");
  CHECK(!bare.bias.defined());
  tree.allocate();
  tree.initialise(0);
  CHECK(largest(layer.weight) == Approx(std::sqrt(3.0 / 200)).epsilon(0.01));
  CHECK(largest(layer.bias) == 0);
  CHECK(largest(zero.weight) == 0);
  CHECK(largest(bare.weight) > 0);
}

TEST_CASE("linear layer: is the operation with its parameters, and a residual") {
  const ParameterTree tree;
  const Linear layer(tree, 5, 3);
  randomise(tree);
  const Tensor x = noise({2, 4, 5}, 0), residual = noise({2, 4, 3}, 1);
  const Tensor w = layer.weight.value(), b = layer.bias.value();
  CHECK(list(layer(x)) == list(linear(x, w, b)));
  CHECK(list(layer(x, residual)) == list(linear(x, w, b, residual)));
  CHECK(layer(x, residual).shape() == Shape{2, 4, 3});
}
