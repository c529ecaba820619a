#include <cmath>

#include "nn/layers.hpp"
#include "support/catch.hpp"

using namespace eddy;
using namespace eddy::test;

TEST_CASE("embedding layer: rows of deviation 1, picked by label") {
  for (const Initialisation style : {Initialisation::paper, Initialisation::torch}) {
    const ParameterTree tree(style);
    const Embedding layer(tree, 100, 100);
    tree.allocate();
    tree.initialise(0);
    double squares = 0;
    for (const float v : layer.weight.value().values()) squares += static_cast<double>(v) * v;
    CHECK(squares / 10000 == Approx(1).epsilon(5 * std::sqrt(2.0 / 10000)));
    const Tensor y = layer(Tensor::from({std::int64_t{99}, std::int64_t{3}}, {2}));
    CHECK(list(y.rows(1, 1)) == list(layer.weight.value().rows(3, 1)));
    CHECK_THROWS_AS(layer(Tensor::from({std::int64_t{100}}, {1})), Error);
  }
}
