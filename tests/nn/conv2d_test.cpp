#include <cmath>

#include "nn/layers.hpp"
#include "support/catch.hpp"

using namespace eddy;
using namespace eddy::test;

TEST_CASE("conv layer: a file's weight, fans that count the kernel, padding that keeps the size") {
  const ParameterTree tree(Initialisation::torch);
  const Conv2d layer(tree.in("a"), 16, 64), wide(tree.in("b"), 3, 2, {.kernel = 5, .conv = {.stride = 2}});
  CHECK(layer.weight.shape() == Shape{64, 16, 3, 3});
  CHECK(wide.weight.shape() == Shape{2, 3, 5, 5});
  tree.allocate();
  tree.initialise(0);
  CHECK(largest(layer.weight) == Approx(1 / std::sqrt(144.0)).epsilon(0.01));
  CHECK(largest(layer.bias) == Approx(1 / std::sqrt(144.0)).epsilon(0.2));
  CHECK(layer(Tensor::zeros({1, 7, 9, 16})).shape() == Shape{1, 7, 9, 64});
  CHECK(wide(Tensor::zeros({1, 9, 11, 3})).shape() == Shape{1, 3, 4, 2});
}

TEST_CASE("conv layer: is the operation with its parameters, a sample's bias, a residual and joined inputs") {
  const ParameterTree tree;
  const Conv2d layer(tree.in("a"), 3, 4), joined(tree.in("b"), 5, 4, {.kernel = 1, .conv = {}});
  randomise(tree);
  const Tensor x = noise({2, 6, 5, 3}, 0), x2 = noise({2, 6, 5, 2}, 1), sample = noise({2, 4}, 2),
               rest = noise({2, 6, 5, 4}, 3);
  const Tensor w = layer.weight.value(), b = layer.bias.value();
  CHECK(list(layer(x, sample, rest)) == list(conv2d(x, w, b, layer.options, {}, sample, rest)));
  CHECK(list(layer(x)) != list(layer(x, sample)));
  CHECK(list(layer(x)) != list(layer(x, {}, rest)));
  CHECK(list(joined.joined(x, x2)) == list(conv2d(x, joined.weight.value(), joined.bias.value(), joined.options, x2)));
}
