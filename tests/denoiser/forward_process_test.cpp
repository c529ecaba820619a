#include <cmath>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

Tensor noise(std::uint64_t seed) { return philox_noise(seed).normal({3, 4, 2}, kInitialNoise); }

const std::vector<NoiseLevel> kLevels{{0, 1, 0}, {1, 0.6, 0.8}, {2, 1, 14}};

}  // namespace

TEST_CASE("forward process: alpha x0 + sigma eps, and the velocity, with a level a sample or one for all") {
  const Tensor x0 = noise(0), eps = noise(1);
  for (const auto& levels : {kLevels, std::vector{kLevels[1]}}) {
    const Tensor x = add_noise(x0, eps, levels), v = velocity(x0, eps, levels);
    for (std::size_t i = 0; i < 24; ++i) {
      const NoiseLevel& l = levels.size() == 1 ? levels[0] : levels[i / 8];
      const double a = static_cast<double>(x0.values()[i]), e = static_cast<double>(eps.values()[i]);
      CHECK(static_cast<double>(x.values()[i]) == Approx(l.alpha * a + l.sigma * e).epsilon(0).margin(1e-5));
      CHECK(static_cast<double>(v.values()[i]) == Approx(l.alpha * e - l.sigma * a).epsilon(0).margin(1e-5));
    }
  }
  CHECK_THROWS_WITH(add_noise(x0, eps, std::vector<NoiseLevel>(2)), Catch::Contains("add_noise"));
  CHECK_THROWS_WITH(velocity(x0, eps, std::vector<NoiseLevel>(4)), Catch::Contains("velocity"));
  CHECK_THROWS_AS(add_noise(x0, eps.rows(0, 2), kLevels), Error);
}

TEST_CASE("forward process: a step to a noisier level keeps mean and variance of one jump") {
  const NoiseLevel from{0, 0.8, 0.6}, to{1, 0.5, 0.9};
  const Tensor x = noise(0), eps = noise(1);
  const double ratio = 0.5 / 0.8, added = std::sqrt(0.81 - ratio * ratio * 0.36);
  const Tensor y = add_noise_step(x, eps, from, to);
  for (std::size_t i = 0; i < 24; ++i) {
    const double expected = ratio * static_cast<double>(x.values()[i]) + added * static_cast<double>(eps.values()[i]);
    CHECK(static_cast<double>(y.values()[i]) == Approx(expected).epsilon(0).margin(1e-6));
  }
  CHECK(add_noise_step(x, eps, from, {1, 0, 1}).values()[3] == eps.values()[3]);  // to pure noise
  CHECK_THROWS_WITH(add_noise_step(x, eps, to, from), Catch::Contains("noisier"));
}
