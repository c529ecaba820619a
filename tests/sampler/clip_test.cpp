#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

TEST_CASE("clip: no samples stay no samples") {
  for (const Clip::Kind kind : {Clip::Kind::none, Clip::Kind::range, Clip::Kind::dynamic}) {
    CHECK(clipped(Tensor::zeros({0, 4, 4, 3}), {.kind = kind}).shape() == Shape{0, 4, 4, 3});
    CHECK(clipped(Tensor::zeros({2, 0}), {.kind = kind}).shape() == Shape{2, 0});
  }
}

TEST_CASE("clip: thresholding divides by a quantile between 1 and the largest, and by a largest below 1") {
  const Tensor x0 = Tensor::from({0.0f, -2.0f, 4.0f, 1.0f, 0.25f}, {1, 5});
  const auto at = [&](double ratio, double largest) { return clipped(x0, {Clip::Kind::dynamic, 1, ratio, largest}); };
  CHECK(at(0.75, 3).values()[2] == 1);        // the quantile, 2
  CHECK(at(0.75, 3).values()[3] == 0.5f);
  CHECK(at(1, 3).values()[3] == Approx(1 / 3.0));
  CHECK(at(0.25, 3).values()[4] == 0.25f);    // 1
  CHECK(at(0.75, 0.5).values()[4] == 0.5f);   // the largest
  CHECK(at(0.75, 0.5).values()[1] == -1);
  CHECK_THROWS_WITH(at(0.75, 0), Catch::Contains("above 0"));
}
