#include "nn/layers.hpp"
#include "support/catch.hpp"

using namespace eddy;
using namespace eddy::test;

TEST_CASE("group norm layer: begins as the norm alone, and is the operation with its parameters") {
  const ParameterTree tree;
  const GroupNormOptions options{.groups = 2, .eps = 1e-3, .activation = Activation::silu};
  const GroupNorm layer(tree, 4, options);
  tree.allocate();
  tree.initialise(0);
  CHECK(list(layer.weight.value()) == std::vector<float>(4, 1));
  CHECK(list(layer.bias.value()) == std::vector<float>(4, 0));
  layer.weight.write()[1] = 3;
  layer.bias.write()[2] = -1;
  const Tensor x = noise({2, 3, 3, 3}, 0), x2 = noise({2, 3, 3, 1}, 1), scale = noise({2, 4}, 2),
               shift = noise({2, 4}, 3);
  CHECK(list(layer(x, x2, scale, shift)) ==
        list(group_norm(x, layer.weight.value(), layer.bias.value(), options, x2, scale, shift)));
}

TEST_CASE("group norm layer: groups that do not divide the channels are an Error that names the layer") {
  const ParameterTree tree;
  CHECK_THROWS_WITH(GroupNorm(tree.in("mid.norm"), 6, {.groups = 4}),
                    Catch::Contains("mid.norm") && Catch::Contains("4 groups"));
  CHECK_THROWS_AS(GroupNorm(tree.in("a"), 6, {.groups = 0}), Error);
  CHECK_THROWS_AS(GroupNorm(tree.in("b"), 6, {.groups = -3}), Error);
}
