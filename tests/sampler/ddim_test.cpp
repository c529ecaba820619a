#include <cmath>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

const Step kNoisy{{2, 0.6, 0.8}, {1, 0.8, 0.6}};
const Step kLast{{1, 0.8, 0.6}, {0, 1, 0}};

Prediction prediction() { return {Tensor::full({2, 3}, 2), Tensor::full({2, 3}, 5), {}}; }

}  // namespace

TEST_CASE("ddim step: one step a sample, with the noise of eta where a step has any") {
  const std::vector<Step> steps{kNoisy, kLast};
  const Tensor plain = ddim_step(prediction(), steps), noisy = ddim_step(prediction(), steps, 1, Tensor::full({2, 3}, 7));
  CHECK(static_cast<double>(plain.values()[0]) == Approx(0.8 * 2 + 0.6 * 5));
  CHECK(plain.values()[3] == 2);
  const double c = 0.6 / 0.8 * std::sqrt(0.64 - 0.5625 * 0.36);
  CHECK(static_cast<double>(noisy.values()[0]) == Approx(1.6 + std::sqrt(0.36 - c * c) * 5 + c * 7));
  CHECK(noisy.values()[3] == 2);
}

TEST_CASE("ddim step: eta out of range, eta without its noise, and other numbers of steps are refused") {
  const Tensor z = Tensor::zeros({2, 3});
  CHECK_THROWS_WITH(ddim_step(prediction(), std::vector{kNoisy}, 0.5), Catch::Contains("needs z"));
  CHECK_NOTHROW(ddim_step(prediction(), std::vector{kLast}, 0.5));  // adds none
  for (const double eta : {-0.1, 1.1, std::nan("")}) {
    CHECK_THROWS_WITH(ddim_step(prediction(), std::vector{kNoisy}, eta, z), Catch::Contains("eta must be"));
  }
  for (const std::size_t n : {0, 3}) {
    CHECK_THROWS_WITH(ddim_step(prediction(), std::vector<Step>(n, kNoisy), 0, z), Catch::Contains("one a sample (2)"));
  }
}
