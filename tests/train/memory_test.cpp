// What a training step takes from the system.
#include "eddy/eddy.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace eddy;

TEST_CASE("train: from the second step on the pool asks the system for nothing") {
  const Context context(ContextOptions{.threads = 2});
  const UNet unet({.sample_height = 16, .sample_width = 16, .in_channels = 1, .out_channels = 1,
                   .down_block_types = {DownBlock::down, DownBlock::attn_down}, .up_block_types = {UpBlock::attn_up, UpBlock::up},
                   .block_out_channels = {16, 32}, .layers_per_block = 1, .norm_num_groups = 4},
                  {.context = context});
  const Optimizer optimizer(unet.parameters());
  std::vector<std::uint8_t> pixels(200 * 256);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * 37 % 251);
  const auto data = memory_pictures(pixels, {16, 16, 1});
  TrainOptions options;
  options.steps = 5;
  options.batch_size = 16;
  std::vector<std::uint64_t> asked;
  std::vector<std::size_t> in_use;
  options.on_step = [&](const TrainReport&) {
    asked.push_back(context.memory().system_calls);
    in_use.push_back(context.memory().in_use);
  };
  TrainState state;
  train([&](const Tensor& x, const Tensor& t, const Condition&) { return unet(x, t); }, optimizer, data,
        objective(cosine_schedule(1000), {.prediction = PredictionType::v_prediction}), options, state);
  for (std::size_t i = 1; i < asked.size(); ++i) {
    CHECK(asked[i] == asked[0]);
    CHECK(in_use[i] == in_use[0]);
  }
}

TEST_CASE("sample: from the second step on the system is asked for nothing") {
  const Context context(ContextOptions{.threads = 2});
  const Network network = [](const Tensor& x, const Tensor&, const Condition&) { return silu(affine(x, 0.5)); };
  std::vector<std::uint64_t> asked;
  std::vector<std::int64_t> large;
  DdimOptions options;
  options.on_step = [&](const StepReport&) {
    asked.push_back(context.memory().system_calls);
    large.push_back(test::large_allocations());
  };
  const NoiseSource noise = philox_noise(0);
  sample_ddim(from_v(network), noise.normal({4, 32, 32, 3}, kInitialNoise, context),
              steps(trailing_levels(cosine_schedule(100), 10)), noise, options);
  for (std::size_t i = 2; i < asked.size(); ++i) {
    CHECK(asked[i] == asked[1]);
    CHECK(large[i] == large[1]);
  }
}
