#include <barrier>
#include <chrono>
#include <cmath>
#include <limits>
#include <mutex>
#include <thread>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"
#include "support/instruction_sets.hpp"

using namespace eddy;

namespace {

// y = w x on pictures of one pixel: the loss is (w x - 1)^2.
struct Toy {
  ParameterTree tree;
  Parameter w;
  std::shared_ptr<const Dataset> data;
  explicit Toy(std::int64_t samples = 200) : w(tree.add("w", {1, 1}, {Initializer::Kind::ones})) {
    tree.allocate();
    tree.initialise(0);
    std::vector<float> values(static_cast<std::size_t>(samples));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.5f + 0.001f * static_cast<float>(i);
    data = memory_samples(Tensor::from(std::span<const float>(values), {samples, 1}));
  }
  Network network() const {
    return [w = w](const Tensor& x, const Tensor&, const Condition&) { return linear(x, w.value()); };
  }
};

const Loss to_one = [](const Network& network, const Batch& batch, const Draw&) {
  return mse_per_sample(network(batch.x, {}, {}), Tensor::full(batch.x.shape(), 1));
};

}  // namespace

TEST_CASE("train: learns, and micro-batches add up to one batch") {
  std::vector<double> losses[2];
  for (const int k : {0, 1}) {
    const Toy toy;
    const Optimizer optimizer(toy.tree.parameters());
    TrainState state;
    TrainOptions options{.steps = 60, .batch_size = k == 0 ? 24 : 8, .accumulate = k == 0 ? 1 : 3, .learning_rate = 0.05};
    options.on_step = [&](const TrainReport& r) { losses[k].push_back(r.loss); };
    train(toy.network(), optimizer, toy.data, to_one, options, state);
    CHECK(state.step == 60);
  }
  CHECK(losses[0].back() < 0.1 * losses[0].front());
  for (std::size_t i = 0; i < 60; ++i) CHECK(losses[0][i] == Approx(losses[1][i]).epsilon(1e-3));
}

TEST_CASE("train: a step that is not finite is skipped and counted; ten in a row stop and name the tensor") {
  const Toy toy;
  const Optimizer optimizer(toy.tree.parameters());
  int calls = 0;
  const Loss sometimes = [&](const Network& network, const Batch& batch, const Draw& draw) {
    const Tensor value = to_one(network, batch, draw);
    return ++calls % 3 == 0 ? value * std::numeric_limits<double>::quiet_NaN() : value;
  };
  TrainState state;
  TrainOptions options{.steps = 10};
  int skipped = 0;
  options.on_step = [&](const TrainReport& r) { skipped += r.skipped ? 1 : 0; };
  train(toy.network(), optimizer, toy.data, sometimes, options, state);
  CHECK(skipped == 3);
  CHECK(state.skipped == 3);
  CHECK(optimizer.applied() == 7);
  CHECK(std::isfinite(toy.w.value().item()));

  const Loss never = [](const Network& network, const Batch& batch, const Draw& draw) {
    return to_one(network, batch, draw) * std::numeric_limits<double>::quiet_NaN();
  };
  options.steps = 100;
  CHECK_THROWS_WITH(train(toy.network(), optimizer, toy.data, never, options, state), Catch::Contains("gradient of w"));
  CHECK(state.step == 20);
}

TEST_CASE("train: the seconds of a step are its own, those of the state are all") {
  const Toy toy;
  const Optimizer optimizer(toy.tree.parameters());
  TrainState state{.seconds = 100};
  TrainOptions options{.steps = 5};
  double steps = 0;
  options.on_step = [&](const TrainReport& r) {
    steps += r.seconds;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  };
  train(toy.network(), optimizer, toy.data, to_one, options, state);
  CHECK(steps > 0);
  CHECK(state.seconds >= 100 + steps + 4 * 0.02);  // the last callback is not over yet
}

TEST_CASE("train: warns of little data and of small steps; after_step comes before the average") {
  const Toy toy(50);
  const Optimizer optimizer(toy.tree.parameters());
  std::vector<std::string> warnings;
  TrainState state;
  TrainOptions options{.steps = 1, .batch_size = 4, .ema = {.decay = 0}};
  options.on_warning = [&](const std::string& text) { warnings.push_back(text); };
  options.after_step = [](std::span<const Parameter> parameters) { parameters[0].write()[0] = 7; };
  train(toy.network(), optimizer, toy.data, to_one, options, state);
  CHECK(warnings.size() == 2);
  CHECK(optimizer.part(optimizer.average(), 0).item() == 7);
}

TEST_CASE("train: an after_step that does nothing changes no byte of the weights and their average") {
  for (const Isa isa : test::instruction_sets()) {
    INFO(name(isa));
    std::vector<std::vector<float>> results;
    for (const bool with : {false, true}) {
      const ParameterTree tree;
      const Linear layer(tree, 3, 37);
      tree.allocate(Context(ContextOptions{.isa = isa, .threads = 2}));
      tree.initialise(1);
      const Optimizer optimizer(tree.parameters());
      const Network network = [&](const Tensor& x, const Tensor&, const Condition&) { return layer(x); };
      const Loss loss = [](const Network& n, const Batch& batch, const Draw&) { return mean_per_sample(square(n(batch.x, {}, {}))); };
      TrainState state;
      TrainOptions options{.steps = 30, .batch_size = 8, .learning_rate = 0.01};
      if (with) options.after_step = [](std::span<const Parameter>) {};
      train(network, optimizer, memory_samples(philox_noise(2).normal({100, 3}, kInitialNoise)), loss, options, state);
      std::vector<float> all(optimizer.average().values().begin(), optimizer.average().values().end());
      all.insert(all.end(), layer.weight.value().values().begin(), layer.weight.value().values().end());
      results.push_back(std::move(all));
    }
    CHECK(results[0] == results[1]);
  }
}

TEST_CASE("train: a cancelled call leaves a whole step behind") {
  const Toy toy;
  const Optimizer optimizer(toy.tree.parameters());
  TrainState state;
  TrainOptions options{.steps = 100};
  options.on_step = [&](const TrainReport& r) {
    if (r.step == 5) options.cancel.cancel();
  };
  CHECK_THROWS_AS(train(toy.network(), optimizer, toy.data, to_one, options, state), Cancelled);
  CHECK(state.step == 5);
  CHECK(optimizer.applied() == 5);
}

TEST_CASE("train: two processes that share the micro-batches of a step end with the bytes of one", "[threads]") {
  constexpr std::int64_t kMicroBatches = 7;
  const auto run = [&](std::int64_t first, std::int64_t count, std::function<Partial(std::span<const Partial>)> reduce) {
    const ParameterTree tree;
    const Linear layer(tree, 1, 5);
    tree.allocate();
    tree.initialise(1);
    const Optimizer optimizer(tree.parameters());
    TrainState state;
    TrainOptions options{.steps = 5, .batch_size = 3, .accumulate = kMicroBatches, .learning_rate = 0.05};
    options.first_micro_batch = first;
    options.micro_batches = count;
    options.reduce = std::move(reduce);
    const Network network = [&](const Tensor& x, const Tensor&, const Condition&) { return layer(x); };
    const Loss loss = [](const Network& n, const Batch& batch, const Draw&) {
      const Tensor y = n(batch.x, {}, {});
      return mse_per_sample(y, Tensor::full(y.shape(), 1));
    };
    train(network, optimizer, Toy().data, loss, options, state);
    const auto values = layer.weight.value().values();
    return std::vector<float>(values.begin(), values.end());
  };
  const std::vector<float> alone = run(0, 0, {});

  std::mutex mutex;
  std::vector<Partial> all;
  std::barrier both(2);
  const auto reduce = [&](std::span<const Partial> mine) {
    {
      const std::lock_guard lock(mutex);
      for (const Partial& p : mine) all.push_back({p.first, p.count, p.gradients.clone(), p.loss});
    }
    both.arrive_and_wait();
    std::vector<Partial> copies;
    for (const Partial& p : all) copies.push_back({p.first, p.count, p.gradients.clone(), p.loss});
    both.arrive_and_wait();
    {
      const std::lock_guard lock(mutex);
      all.clear();
    }
    both.arrive_and_wait();
    return joined(std::move(copies), kMicroBatches);
  };
  std::vector<float> other;
  std::thread second([&] { other = run(3, 4, reduce); });
  const std::vector<float> one = run(0, 3, reduce);
  second.join();
  CHECK(one == alone);
  CHECK(other == alone);
}

TEST_CASE("joined: complete subtrees only, nothing missing and nothing twice") {
  const auto partial = [](std::int64_t first, std::int64_t count) {
    return Partial{first, count, Tensor::full({2}, static_cast<float>(first)), static_cast<double>(count)};
  };
  const Partial whole = joined({partial(2, 1), partial(0, 2)}, 3);
  CHECK(whole.first == 0);
  CHECK(whole.count == 3);
  CHECK(whole.loss == 3);
  CHECK(whole.gradients.values()[1] == 2);
  CHECK_THROWS_WITH(joined({partial(0, 2)}, 3), Catch::Contains("micro-batch 2"));
  CHECK_THROWS_WITH(joined({partial(0, 2), partial(1, 2)}, 3), Catch::Contains("micro-batch 2"));
  CHECK_THROWS_WITH(joined({partial(1, 2)}, 3), Catch::Contains("micro-batch 0"));
  const Toy toy;
  TrainState state;
  const auto refused = [&](const TrainOptions& options) {
    CHECK_THROWS_AS(train(toy.network(), Optimizer(toy.tree.parameters()), toy.data, to_one, options, state), Error);
  };
  refused({.steps = 1, .accumulate = 4, .first_micro_batch = 2});
  refused({.steps = 1, .accumulate = 4, .micro_batches = 3});
  refused({.steps = 1, .accumulate = 4, .first_micro_batch = 2, .micro_batches = 3});
  refused({.steps = 1, .accumulate = 2, .reduce = [](std::span<const Partial> p) { return Partial{0, 1, p[0].gradients, 0}; }});
}

TEST_CASE("held-out loss: the mean of its quarters, and the same each time") {
  const Toy toy;
  const Loss by_level = [](const Network&, const Batch& batch, const Draw& draw) {
    std::vector<float> values;
    for (const double q : draw.quantiles) values.push_back(static_cast<float>(std::floor(4 * q)));
    return Tensor::from(std::span<const float>(values), {batch.x.extent(0)});
  };
  const HeldOutLoss h = held_out_loss(toy.network(), *toy.data, by_level, 100, 0, 7);
  CHECK(h.quarter == std::array<double, 4>{0, 1, 2, 3});
  CHECK(h.all == Approx(1.5));
}

TEST_CASE("held-out loss: sizes that make no batch, and samples of which some have no label, are refused") {
  const Toy toy;
  CHECK_THROWS_WITH(held_out_loss(toy.network(), *toy.data, to_one, 100, 0, 0), Catch::Contains("batch_size"));
  struct Some : Dataset {
    std::int64_t size() const override { return 4; }
    Shape sample_shape() const override { return {1}; }
    std::int64_t fetch(std::int64_t i, std::span<float> out) const override { return out[0] = 1, i % 2 - 1; }
  };
  CHECK_THROWS_WITH(held_out_loss(toy.network(), Some(), to_one, 4, 0, 4), Catch::Contains("2 of 4 samples"));
}

TEST_CASE("train: the rate is the schedule's, which must be there and give numbers") {
  const Toy toy;
  const Optimizer optimizer(toy.tree.parameters());
  TrainState state;
  std::vector<double> rates;
  TrainOptions options{.steps = 4, .learning_rate = 0.5, .rate_schedule = linear_rate(2)};
  options.on_step = [&](const TrainReport& r) { rates.push_back(r.rate); };
  train(toy.network(), optimizer, toy.data, to_one, options, state);
  CHECK(rates == std::vector<double>{0, 0.25, 0.5, 0.25});
  options.steps = 5;
  options.rate_schedule = [](std::int64_t, std::int64_t) { return -1.0; };
  const auto go = [&] { train(toy.network(), optimizer, toy.data, to_one, options, state); };
  CHECK_THROWS_WITH(go(), Catch::Contains("the rate of step 4"));
  options.rate_schedule = {};
  CHECK_THROWS_WITH(go(), Catch::Contains("rate_schedule must be given"));
}

TEST_CASE("train: a loss of other than one value a sample is refused") {
  const Toy toy;
  const Optimizer optimizer(toy.tree.parameters());
  TrainState state;
  const Loss one = [](const Network& network, const Batch& batch, const Draw& draw) { return mean(to_one(network, batch, draw)); };
  const Loss wide = [](const Network& network, const Batch& batch, const Draw&) { return network(batch.x, {}, {}); };
  for (const Loss& loss : {one, wide}) {
    CHECK_THROWS_WITH(train(toy.network(), optimizer, toy.data, loss, {.steps = 1, .batch_size = 20}, state),
                      Catch::Contains("one f32 value a sample, (20)"));
    CHECK_THROWS_WITH(held_out_loss(toy.network(), *toy.data, loss, 20, 0, 20), Catch::Contains("(20)"));
  }
  CHECK(state.step == 0);
}
