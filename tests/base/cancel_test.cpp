#include "eddy/cancel.hpp"

#include <atomic>
#include <stop_token>
#include <thread>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

TEST_CASE("cancel: copies share the flag, other tokens do not") {
  const CancelToken a, other;
  const CancelToken copy = a;
  a.check();
  copy.cancel();
  CHECK(a.cancelled());
  CHECK(!other.cancelled());
  CHECK_THROWS_AS(a.check(), Cancelled);
  CHECK_THROWS_AS(a.check(), Error);
  other.check();
}

TEST_CASE("cancel: a token made of a stop_token is cancelled by either") {
  std::stop_source source;
  const CancelToken a = source.get_token(), b(source.get_token());
  const CancelToken copy = a;
  CHECK(!copy.cancelled());
  b.cancel();
  CHECK(b.cancelled());
  CHECK(!a.cancelled());
  source.request_stop();
  CHECK(copy.cancelled());
  CHECK_THROWS_AS(copy.check(), Cancelled);

  std::stop_source other;
  DdimOptions options;
  options.cancel = other.get_token();
  const Denoiser denoise = from_v([&](const Tensor& x, const Tensor&, const Condition&) {
    other.request_stop();
    return affine(x, 0.1);
  });
  const auto list = steps(trailing_levels(linear_schedule(1000), 20));
  CHECK_THROWS_AS(sample_ddim(denoise, Tensor::full({2, 4}, 1), list, philox_noise(0), options), Cancelled);
}

TEST_CASE("cancel: operations look at the tokens of all scopes around them, and at none outside") {
  const CancelToken outer, inner;
  const Tensor x = Tensor::full({2}, 1);
  {
    const CancelScope outside(outer);
    {
      const CancelScope inside(inner);
      CHECK((x + x).values()[0] == 2);
      inner.cancel();
      CHECK_THROWS_AS(x + x, Cancelled);
    }
    CHECK((x + x).values()[0] == 2);
    const CancelScope inside{CancelToken()};
    outer.cancel();
    CHECK_THROWS_AS(x + x, Cancelled);
  }
  CHECK((x + x).values()[0] == 2);
}

TEST_CASE("cancel: a sampler with a token of its own hears the caller's") {
  const auto list = steps(trailing_levels(linear_schedule(1000), 20));
  const CancelToken token;
  const CancelScope scope(token);
  int calls = 0;
  const Denoiser denoise = from_v([&](const Tensor& x, const Tensor&, const Condition&) {
    if (++calls == 3) token.cancel();
    return affine(x, 0.1);
  });
  CHECK_THROWS_AS(sample_ddim(denoise, Tensor::full({2, 4}, 1), list, philox_noise(0)), Cancelled);
  CHECK(calls == 3);
}

TEST_CASE("cancel: a backward pass stops between two operations") {
  static const CancelToken* token = nullptr;
  static int ran = 0;
  static const Operation operation{"stops", [](Call& call) { return call.input(0).clone(); },
                                   [](Call&, const Tensor& g, std::span<Tensor> result) {
                                     if (++ran == 2) token->cancel();
                                     result[0] = g;
                                   }};
  const CancelToken mine;
  token = &mine;
  ran = 0;
  const CancelScope scope(mine);
  const Tensor leaf = Tensor::scalar(1).variable();
  Tensor x = leaf;
  for (int i = 0; i < 5; ++i) x = apply(operation, {x});
  CHECK_THROWS_AS(gradients(x, {leaf}), Cancelled);
  CHECK(ran == 2);
}

TEST_CASE("cancel: a sampler stops in the middle") {
  const auto list = steps(trailing_levels(linear_schedule(1000), 20));
  for (const bool ddim : {true, false}) {
    int calls = 0;
    DdimOptions ddim_options;
    DdpmOptions ddpm_options;
    const CancelToken token = ddim ? ddim_options.cancel : ddpm_options.cancel;
    const Denoiser denoise = from_v([&](const Tensor& x, const Tensor&, const Condition&) {
      if (++calls == 3) token.cancel();
      return affine(x, 0.1);
    });
    const Tensor x = Tensor::full({2, 4}, 1);
    if (ddim) CHECK_THROWS_AS(sample_ddim(denoise, x, list, philox_noise(0), ddim_options), Cancelled);
    if (!ddim) CHECK_THROWS_AS(sample_ddpm(denoise, x, list, philox_noise(0), ddpm_options), Cancelled);
    CHECK(calls == 3);
    CHECK((x + x).values()[0] == 2);  // the scope went with the call
  }
}

TEST_CASE("cancel: another thread stops a sampler", "[threads]") {
  DdimOptions options;
  std::atomic<bool> began{false};
  std::thread other([&] {
    while (!began) std::this_thread::yield();
    options.cancel.cancel();
  });
  const Denoiser denoise = from_v([&](const Tensor& x, const Tensor&, const Condition&) {
    began = true;
    while (!options.cancel.cancelled()) std::this_thread::yield();
    return x;
  });
  const auto list = steps(trailing_levels(linear_schedule(1000), 20));
  CHECK_THROWS_AS(sample_ddim(denoise, Tensor::full({2, 4}, 1), list, philox_noise(0), options), Cancelled);
  other.join();
}

namespace {

// Weights after training y = w x towards 1; cancelled within the loss of this micro-step.
std::vector<float> trained(std::int64_t steps, int cancelled_at, TrainState& state) {
  const ParameterTree tree;
  const Linear layer(tree, 2, 3);
  tree.allocate();
  tree.initialise(1);
  TrainOptions options{.steps = steps, .batch_size = 4, .accumulate = 2, .rate_schedule = constant_rate()};
  int calls = 0;
  const Loss loss = [&](const Network& network, const Batch& batch, const Draw&) {
    const Tensor y = network(batch.x, {}, {});
    if (++calls == cancelled_at) options.cancel.cancel();
    return mse_per_sample(y, Tensor::full(y.shape(), 1));
  };
  const Network network = [&](const Tensor& x, const Tensor&, const Condition&) { return layer(x); };
  const auto data = memory_samples(philox_noise(0).normal({30, 2}, kInitialNoise));
  const auto run = [&] { train(network, Optimizer(tree.parameters()), data, loss, options, state); };
  if (cancelled_at > 0) {
    CHECK_THROWS_AS(run(), Cancelled);
  } else {
    run();
  }
  const auto values = layer.weight.value().values();
  return {values.begin(), values.end()};
}

}  // namespace

TEST_CASE("cancel: training that stops within a step leaves the weights of the last whole one") {
  TrainState cancelled, whole;
  const auto weights = trained(10, 6, cancelled);  // the second micro-batch of the third step
  CHECK(cancelled.step == 2);
  CHECK(weights == trained(2, 0, whole));
}
