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
