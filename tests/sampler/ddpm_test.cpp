#include <cmath>
#include <stdexcept>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

TEST_CASE("ddpm: steps without a posterior are refused before the network runs") {
  const Denoiser never = [](const Tensor&, std::span<const NoiseLevel>) -> Prediction { throw std::logic_error("called"); };
  const Tensor x = Tensor::zeros({1, 2});
  for (const Step& step : {Step{{0, 1, 0}, {0, 1, 0}}, Step{{2, 0, 1}, {1, 0, 1}}}) {
    CHECK_THROWS_WITH(sample_ddpm(never, x, std::vector{step}, philox_noise(0)), Catch::Contains("step 0"));
  }
}

TEST_CASE("ddpm: a learned variance, as itself or its logarithm, is that of the noise") {
  constexpr std::int64_t n = 100000;
  const std::vector<Step> one{{{5, 0.6, 0.8}, {1, 0.8, 0.6}}};
  DdpmOptions options;
  for (const auto& [kind, value] : {std::pair{Variance::learned, 0.09f}, std::pair{Variance::learned_log, std::log(0.09f)}}) {
    const Denoiser zero = [value = value](const Tensor& x, std::span<const NoiseLevel>) -> Prediction {
      return {Tensor::zeros(x.shape()), x, Tensor::full(x.shape(), value)};
    };
    options.variance = kind;
    const Tensor x = sample_ddpm(zero, Tensor::zeros({1, n}), one, philox_noise(1), options);
    double sum = 0;
    for (const float v : x.values()) sum += static_cast<double>(v) * static_cast<double>(v);
    CHECK(sum / n == Approx(0.09).epsilon(0.023));  // five deviations
  }
  const Denoiser negative = [](const Tensor& x, std::span<const NoiseLevel>) -> Prediction {
    return {x, x, Tensor::full(x.shape(), -0.1f)};
  };
  const Denoiser none = [](const Tensor& x, std::span<const NoiseLevel>) -> Prediction { return {x, x, {}}; };
  options.variance = Variance::learned;
  const Tensor x = Tensor::zeros({1, 2});
  CHECK_THROWS_WITH(sample_ddpm(negative, x, one, philox_noise(0), options), Catch::Contains("must not be negative"));
  CHECK_THROWS_WITH(sample_ddpm(none, x, one, philox_noise(0), options), Catch::Contains("twice x's channels"));
}

TEST_CASE("ddpm: the clean end has no noise unless asked for") {
  const Denoiser zero = [](const Tensor& x, std::span<const NoiseLevel>) -> Prediction {
    return {Tensor::zeros(x.shape()), x, {}};
  };
  const std::vector<Step> last{{{9, 0.8, 0.6}, {0, 1, 0}}};
  DdpmOptions options;
  options.variance = Variance::fixed_large;
  CHECK(sample_ddpm(zero, Tensor::full({1, 2}, 1), last, philox_noise(1), options).values()[0] == 0);
  options.noise_at_end = true;
  const Tensor z = philox_noise(1).normal({1, 2}, {kStepNoise, 0});
  const Tensor x = sample_ddpm(zero, Tensor::full({1, 2}, 1), last, philox_noise(1), options);
  CHECK(static_cast<double>(x.values()[1]) == Approx(0.6 * static_cast<double>(z.values()[1])));
}

TEST_CASE("ddpm: a step of no length keeps x, with a learned variance too") {
  const Denoiser denoise = [](const Tensor& x, std::span<const NoiseLevel>) -> Prediction {
    return {affine(x, 0.3), affine(x, 0.5), Tensor::zeros(x.shape())};
  };
  const Tensor x = philox_noise(2).normal({2, 3}, kInitialNoise);
  const NoiseLevel level{5, 0.6, 0.8};
  for (const Variance variance : {Variance::fixed_small, Variance::learned_range}) {
    DdpmOptions options;
    options.variance = variance;
    const Tensor same = sample_ddpm(denoise, x, std::vector{Step{level, level}}, philox_noise(0), options);
    for (std::size_t i = 0; i < 6; ++i) CHECK(same.values()[i] == Approx(x.values()[i]).margin(1e-6));
  }
}
