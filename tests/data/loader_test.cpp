#include <algorithm>
#include <set>
#include <stdexcept>
#include <thread>

#include "eddy/eddy.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

// A user's own: sample i is (i, i + 0.5), of class i mod 3.
class Counting final : public Dataset {
 public:
  explicit Counting(std::int64_t n, bool labels = true) : n_(n), labels_(labels) {}
  std::int64_t size() const override { return n_; }
  Shape sample_shape() const override { return {2}; }
  std::int64_t fetch(std::int64_t i, std::span<float> out) const override {
    if (i < 0 || i >= n_ || out.size() != 2) throw std::out_of_range("Counting");
    out[0] = static_cast<float>(i);
    out[1] = out[0] + 0.5f;
    return labels_ ? i % 3 : -1;
  }

 private:
  std::int64_t n_;
  bool labels_;
};

Tensor labels(const Batch& batch) {
  REQUIRE(batch.condition.size() == 1);
  CHECK(batch.condition[0].first == "class_labels");
  return batch.condition[0].second;
}

std::vector<std::int64_t> order(std::int64_t n, std::int64_t batch_size, std::uint64_t seed, std::uint64_t batches) {
  const Loader loader(std::make_shared<Counting>(n), {.batch_size = batch_size, .seed = seed});
  std::vector<std::int64_t> result;
  for (std::uint64_t k = 0; k < batches; ++k) {
    const Batch batch = loader.batch(k);
    for (std::int64_t i = 0; i < batch_size; ++i) {
      const auto row = batch.x.rows(i, 1).values();
      CHECK(row[1] == row[0] + 0.5f);
      CHECK(labels(batch).integers()[static_cast<std::size_t>(i)] == static_cast<std::int64_t>(row[0]) % 3);
      result.push_back(static_cast<std::int64_t>(row[0]));
    }
  }
  return result;
}

}  // namespace

TEST_CASE("loader: each sample once an epoch, whatever the batch size, across the ends of epochs") {
  const auto whole = order(7, 7, 1, 6);
  std::set<std::vector<std::int64_t>> orders;
  for (std::size_t epoch = 0; epoch < 6; ++epoch) {
    std::vector<std::int64_t> one(whole.begin() + static_cast<std::ptrdiff_t>(7 * epoch),
                                  whole.begin() + static_cast<std::ptrdiff_t>(7 * epoch + 7));
    orders.insert(one);
    std::ranges::sort(one);
    CHECK(one == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6});
  }
  CHECK(orders.size() == 6);  // another order each epoch
  CHECK(order(7, 3, 1, 14) == whole);
  CHECK(order(7, 21, 1, 2) == whole);  // a batch of three epochs
  CHECK(order(7, 7, 2, 6) != whole);
}

TEST_CASE("loader: a batch is a function of (seed, number), in any order of asking") {
  const auto data = std::make_shared<Counting>(10);
  const Loader forwards(data, {.batch_size = 4, .seed = 5}), jumping(data, {.batch_size = 4, .seed = 5});
  std::vector<Tensor> batches;
  for (std::uint64_t k = 0; k < 12; ++k) batches.push_back(forwards.batch(k).x);
  for (const std::uint64_t k : {11u, 0u, 5u, 2u, 2u, 9u}) {
    CHECK(std::ranges::equal(jumping.batch(k).x.values(), batches[k].values()));
  }
}

TEST_CASE("loader: an order that could not be made leaves nothing behind") {
  if (!test::counts_allocations()) return;
  const auto data = std::make_shared<Counting>(1000);
  const Loader loader(data, {.batch_size = 500, .seed = 5}), other(data, {.batch_size = 500, .seed = 5});
  loader.batch(0);
  {
    const test::FailingAllocation failing(8000);  // the order of 1000 samples
    CHECK_THROWS_AS(loader.batch(2), std::bad_alloc);
  }
  CHECK(std::ranges::equal(loader.batch(2).x.values(), other.batch(2).x.values()));
}

TEST_CASE("loader: several threads ask one loader at once", "[threads]") {
  const auto data = std::make_shared<Counting>(100);
  const Loader loader(data, {.batch_size = 25, .seed = 5});
  std::vector<Tensor> expected;
  for (std::uint64_t k = 0; k < 40; ++k) expected.push_back(Loader(data, {.batch_size = 25, .seed = 5}).batch(k).x);
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (std::size_t id = 0; id < wrong.size(); ++id) {
    threads.emplace_back([&, id] {
      for (std::uint64_t i = 0; i < 400; ++i) {
        const std::uint64_t k = (i * 7 + id * 13) % 40;
        if (!std::ranges::equal(loader.batch(k).x.values(), expected[k].values())) ++wrong[id];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4));
}

TEST_CASE("loader: makes batches of the samples' shape in the asked-for Context; without labels none") {
  ContextOptions options;
  options.threads = 1;
  const Context context(options);
  const auto data = memory_pictures(std::vector<std::uint8_t>(3 * 12), {2, 3, 2});
  const Batch batch = Loader(data, {.batch_size = 5}).batch(0, context);
  CHECK(batch.x.shape() == Shape{5, 2, 3, 2});
  CHECK(batch.x.context() == context);
  CHECK(batch.condition.empty());
  CHECK(!batch.eps.defined());
  CHECK(labels(Loader(std::make_shared<Counting>(3), {.batch_size = 5}).batch(0, context)).context() == context);
}

TEST_CASE("loader: flips some pictures whole, left to right, and leaves other samples alone") {
  const std::vector<std::uint8_t> bytes{0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110};  // (2, 3, 2)
  const auto data = memory_pictures(bytes, {2, 3, 2});
  const Loader plain(data, {.batch_size = 1}), flipping(data, {.batch_size = 40, .flip = true});
  const Tensor original = plain.batch(0).x, batch = flipping.batch(0).x;
  const std::vector<std::size_t> mirrored{4, 5, 2, 3, 0, 1, 10, 11, 8, 9, 6, 7};
  int flipped = 0;
  for (std::int64_t i = 0; i < 40; ++i) {
    const auto row = batch.rows(i, 1).values();
    const bool same = std::ranges::equal(row, original.values());
    flipped += same ? 0 : 1;
    for (std::size_t p = 0; p < 12; ++p) REQUIRE(row[p] == original.values()[same ? p : mirrored[p]]);
  }
  CHECK(flipped > 5);
  CHECK(flipped < 35);
  CHECK(std::ranges::equal(Loader(data, {.batch_size = 40, .flip = true}).batch(0).x.values(), batch.values()));
  CHECK(!std::ranges::equal(flipping.batch(1).x.values(), batch.values()));
  CHECK(order(7, 7, 1, 1).size() == 7);
  const Loader rows(std::make_shared<Counting>(7), {.batch_size = 7, .seed = 1, .flip = true});
  CHECK(rows.batch(0).x.values()[1] == rows.batch(0).x.values()[0] + 0.5f);
}

TEST_CASE("loader: labels drop out by a coin of their own, samples stay") {
  const auto data = std::make_shared<Counting>(1000);
  const Batch all = Loader(data, {.batch_size = 1000, .seed = 2}).batch(0);
  const Batch some = Loader(data, {.batch_size = 1000, .seed = 2, .label_dropout = 0.2, .no_label = 3}).batch(0);
  CHECK(std::ranges::equal(all.x.values(), some.x.values()));
  std::int64_t dropped = 0;
  for (std::size_t i = 0; i < 1000; ++i) {
    const bool kept = labels(some).integers()[i] == labels(all).integers()[i];
    if (!kept) CHECK(labels(some).integers()[i] == 3);
    dropped += kept ? 0 : 1;
  }
  CHECK(dropped == Approx(200).margin(5 * 12.7));
}

TEST_CASE("loader: what makes no batches is refused; a data set's own exceptions pass") {
  const auto data = std::make_shared<Counting>(5);
  CHECK_THROWS_AS(Loader(nullptr, {}), Error);
  CHECK_THROWS_AS(Loader(std::make_shared<Counting>(0), {}), Error);
  CHECK_THROWS_WITH(Loader(data, {.batch_size = 0}), Catch::Contains("batch_size"));
  CHECK_THROWS_WITH(Loader(data, {.label_dropout = 0.1}), Catch::Contains("label_dropout"));

  class Broken final : public Dataset {
   public:
    std::int64_t size() const override { return 5; }
    Shape sample_shape() const override { return {1}; }
    std::int64_t fetch(std::int64_t, std::span<float>) const override { throw std::out_of_range("of the data set"); }
  };
  CHECK_THROWS_AS(Loader(std::make_shared<Broken>(), {}).batch(0), std::out_of_range);

  class Mixed final : public Dataset {
   public:
    std::int64_t size() const override { return 6; }
    Shape sample_shape() const override { return {1}; }
    std::int64_t fetch(std::int64_t i, std::span<float> out) const override { return out[0] = 0, i % 2 - 1; }
  };
  CHECK_THROWS_AS(Loader(std::make_shared<Mixed>(), {.batch_size = 6}).batch(0), Error);
}

TEST_CASE("loader: samples of which some have no label are refused") {
  struct Some : Dataset {
    std::int64_t size() const override { return 5; }
    Shape sample_shape() const override { return {1}; }
    std::int64_t fetch(std::int64_t i, std::span<float> out) const override { return out[0] = 0, i == 3 ? -1 : 0; }
  };
  CHECK_THROWS_WITH(Loader(std::make_shared<Some>(), {.batch_size = 5}).batch(0), Catch::Contains("4 of 5 samples have labels"));
}

TEST_CASE("loader: training on a user's own data set, with warnings below 100 samples and 16 a step") {
  const auto warnings = [](std::int64_t samples, std::int64_t batch_size, std::int64_t accumulate) {
    const ParameterTree tree;
    const Linear layer(tree, 2, 2);
    tree.allocate();
    std::vector<std::string> result;
    TrainOptions options{.steps = 1, .batch_size = batch_size, .accumulate = accumulate};
    options.on_warning = [&](const std::string& text) { result.push_back(text); };
    TrainState state;
    const Loss loss = [](const Network& network, const Batch& batch, const Draw&) {
      return mse_per_sample(network(batch.x, {}, {}), batch.x);
    };
    const Network network = [&](const Tensor& x, const Tensor&, const Condition&) { return layer(x); };
    train(network, Optimizer(tree.parameters()), std::make_shared<Counting>(samples), loss, options, state);
    CHECK(state.step == 1);
    return result;
  };
  CHECK(warnings(100, 8, 2).empty());
  const auto few = warnings(99, 16, 1), small = warnings(100, 5, 3);
  REQUIRE(few.size() == 1);
  CHECK_THAT(few[0], Catch::Contains("99"));
  REQUIRE(small.size() == 1);
  CHECK_THAT(small[0], Catch::Contains("15"));
}
