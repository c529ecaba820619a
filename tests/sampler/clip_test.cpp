#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

TEST_CASE("clip: no samples stay no samples") {
  for (const Clip::Kind kind : {Clip::Kind::none, Clip::Kind::range, Clip::Kind::dynamic}) {
    CHECK(clipped(Tensor::zeros({0, 4, 4, 3}), {.kind = kind}).shape() == Shape{0, 4, 4, 3});
    CHECK(clipped(Tensor::zeros({2, 0}), {.kind = kind}).shape() == Shape{2, 0});
  }
}
