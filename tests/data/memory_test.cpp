#include <cmath>
#include <stdexcept>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

std::vector<float> sample(const Dataset& data, std::int64_t i) {
  std::vector<float> values(static_cast<std::size_t>(data.sample_shape().elements()));
  data.fetch(i, values);
  return values;
}

}  // namespace

TEST_CASE("data in memory: bytes become pictures in [-1, 1], with labels and names") {
  const auto data = memory_pictures({0, 255, 51, 204, 102, 153, 1, 2}, {1, 2, 2}, {1, 0}, {"cat", "dog"});
  CHECK(data->size() == 2);
  CHECK(data->sample_shape() == Shape{1, 2, 2});
  CHECK(data->classes() == 2);
  CHECK(data->class_names() == std::vector<std::string>{"cat", "dog"});
  std::vector<float> out(4);
  CHECK(data->fetch(0, out) == 1);
  CHECK(out[0] == -1);
  CHECK(out[1] == 1);
  CHECK(static_cast<double>(out[2]) == Approx(-0.6).margin(1e-7));
  CHECK(data->fetch(1, out) == 0);
  CHECK(static_cast<double>(out[0]) == Approx(-0.2).margin(1e-7));
}

TEST_CASE("data in memory: rows of a tensor of any shape; without labels the class is -1") {
  const Tensor x = Tensor::from({1.f, 2.f, 3.f, 4.f, 5.f, 6.f}, {3, 2});
  const auto data = memory_samples(x);
  CHECK(data->sample_shape() == Shape{2});
  CHECK(data->classes() == 0);
  std::vector<float> out(2);
  CHECK(data->fetch(2, out) == -1);
  CHECK(out == std::vector<float>{5, 6});
  CHECK(memory_samples(Tensor::zeros({4, 3, 2, 1}))->sample_shape() == Shape{3, 2, 1});
  const auto labelled = memory_samples(x, {0, 1, 1}, {"a", "b"});
  CHECK(labelled->fetch(2, out) == 1);
}

TEST_CASE("data in memory: what does not fit together is refused") {
  CHECK_THROWS_WITH(memory_pictures({1, 2, 3}, {1, 2, 1}), Catch::Contains("3 bytes") && Catch::Contains("(1, 2, 1)"));
  CHECK_THROWS_AS(memory_pictures({}, {0, 2, 1}), Error);
  CHECK_THROWS_WITH(memory_pictures({1, 2}, {1, 2, 1}, {0, 0}, {"a"}), Catch::Contains("2 labels for 1"));
  CHECK_THROWS_WITH(memory_pictures({1, 2}, {1, 2, 1}, {1}, {"a"}), Catch::Contains("label 1"));
  CHECK_THROWS_WITH(memory_pictures({1, 2}, {1, 2, 1}, {-1}, {"a"}), Catch::Contains("label -1"));
  CHECK_THROWS_AS(memory_samples(Tensor::zeros({3})), Error);
  CHECK_THROWS_AS(memory_samples(Tensor{}), Error);
  CHECK_THROWS_AS(memory_samples(Tensor::from({std::int64_t{1}}, {1, 1})), Error);
}

TEST_CASE("data in memory: the fingerprint follows the content, not its place") {
  const std::vector<std::uint8_t> bytes{1, 2, 3, 4};
  const auto print = [](const std::vector<std::uint8_t>& b, const std::vector<std::int64_t>& labels) {
    return memory_pictures(b, {1, 2, 1}, labels, {"a", "b"})->fingerprint();
  };
  const std::uint64_t first = print(bytes, {0, 1});
  CHECK(first != 0);
  CHECK(print(bytes, {0, 1}) == first);
  CHECK(print({1, 2, 3, 5}, {0, 1}) != first);
  CHECK(print({3, 4, 1, 2}, {0, 1}) != first);
  CHECK(print(bytes, {1, 0}) != first);
  const Tensor x = Tensor::from({1.f, 2.f}, {2, 1});
  CHECK(memory_samples(x)->fingerprint() == memory_samples(x.clone())->fingerprint());
  CHECK(memory_samples(x)->fingerprint() != memory_samples(affine(x, 2))->fingerprint());
}

TEST_CASE("subset: the asked-for samples in the asked-for order, with all the names") {
  const Tensor x = Tensor::from({10.f, 11.f, 12.f, 13.f}, {4, 1});
  const auto data = memory_samples(x, {0, 1, 0, 1}, {"a", "b"});
  const auto some = subset(data, {3, 0, 3});
  CHECK(some->size() == 3);
  CHECK(some->class_names() == data->class_names());
  std::vector<float> out(1);
  CHECK(some->fetch(0, out) == 1);
  CHECK(out[0] == 13);
  CHECK(sample(*some, 1) == std::vector<float>{10});
  CHECK(some->fingerprint() != data->fingerprint());
  CHECK(some->fingerprint() == subset(data, {3, 0, 3})->fingerprint());
  CHECK(some->fingerprint() != subset(data, {0, 3, 3})->fingerprint());
  CHECK(subset(some, {1})->size() == 1);
  CHECK(sample(*subset(some, {1}), 0) == std::vector<float>{10});
  CHECK_THROWS_WITH(subset(data, {0, 4}), Catch::Contains("4"));
  CHECK_THROWS_AS(subset(data, {-1}), Error);
  CHECK_THROWS_AS(subset(nullptr, {}), Error);
}
