#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

const std::vector<NoiseLevel> kLevel{{0.5, 0.6, 0.8}};

// Always the same prediction; counts its calls.
Denoiser constant(float x0, float eps, float variance, int& calls) {
  return [=, &calls](const Tensor& x, std::span<const NoiseLevel>) -> Prediction {
    ++calls;
    return {Tensor::full(x.shape(), x0), Tensor::full(x.shape(), eps), Tensor::full(x.shape(), variance)};
  };
}

}  // namespace

TEST_CASE("guidance: u + scale (c - u) on x0 and eps, the variance is the conditional one") {
  int c = 0, u = 0;
  const Tensor x = Tensor::zeros({2, 3});
  for (const double scale : {0.0, 0.5, 3.0, -1.0}) {
    const Prediction p = classifier_free_guidance(constant(1, 2, 3, c), constant(5, -2, 7, u), scale)(x, kLevel);
    CHECK(static_cast<double>(p.x0.values()[5]) == Approx(5 - 4 * scale));
    CHECK(static_cast<double>(p.eps.values()[5]) == Approx(-2 + 4 * scale));
    CHECK(p.variance.values()[5] == 3);
  }
  CHECK(c == 4);
  CHECK(u == 4);
}

TEST_CASE("guidance: scale 1 is the conditional denoiser alone") {
  int c = 0, u = 0;
  const Tensor x = Tensor::zeros({2, 3});
  const Prediction p = classifier_free_guidance(constant(1, 2, 3, c), constant(5, -2, 7, u), 1)(x, kLevel);
  CHECK(p.x0.values()[0] == 1);
  CHECK(c == 1);
  CHECK(u == 0);
}

TEST_CASE("guidance: guided x0 and eps still make x") {
  const Network a = [](const Tensor& x, const Tensor&, const Condition&) { return affine(x, 0.7, 0.2); };
  const Network b = [](const Tensor& x, const Tensor&, const Condition&) { return affine(x, -0.3, 0.1); };
  const Tensor x = philox_noise(0).normal({4, 5}, kInitialNoise);
  const Prediction p = classifier_free_guidance(from_v(a), from_eps(b), 4)(x, kLevel);
  const Tensor again = combine(kLevel[0].alpha, p.x0, kLevel[0].sigma, p.eps);
  for (std::size_t i = 0; i < 20; ++i) {
    CHECK(static_cast<double>(again.values()[i]) == Approx(static_cast<double>(x.values()[i])).epsilon(0).margin(1e-5));
  }
}
