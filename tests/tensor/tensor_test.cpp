#include "eddy/tensor.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "eddy/error.hpp"
#include "eddy/ops.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"
#include "tensor/storage.hpp"

using namespace eddy;

namespace {

std::vector<float> list(const Tensor& x) { return {x.values().begin(), x.values().end()}; }

}  // namespace

TEST_CASE("tensor: made from values, filled, scalar, and of integers") {
  CHECK(list(Tensor::from({1.f, 2.f, 3.f, 4.f}, {2, 2})) == std::vector<float>{1, 2, 3, 4});
  CHECK(list(Tensor::full({3}, 2.5f)) == std::vector<float>(3, 2.5f));
  CHECK(list(Tensor::zeros({2, 0})).empty());
  CHECK(Tensor::scalar(7).item() == 7);
  CHECK(Tensor::scalar(7).rank() == 0);
  const Tensor labels = Tensor::from({std::int64_t{-3}, std::int64_t{1} << 40}, {2});
  CHECK(labels.dtype() == DType::i64);
  CHECK(labels.integers()[1] == std::int64_t{1} << 40);
  CHECK_THROWS_WITH(Tensor::from({1.f, 2.f, 3.f}, {2, 2}), Catch::Contains("(2, 2)") && Catch::Contains("3 values"));
}

TEST_CASE("tensor: elements begin at 64 bytes") {
  for (const std::int64_t n : {1, 3, 17, 1000, 100000}) {
    CHECK(reinterpret_cast<std::uintptr_t>(Tensor::uninitialised({n}).raw()) % 64 == 0);
  }
}

TEST_CASE("tensor: shapes whose bytes cannot be counted are Errors") {
  for (const std::int64_t elements :
       {std::int64_t{1} << 62, (std::int64_t{1} << 61) + 8, (std::int64_t{1} << 60) + 1}) {
    const Shape shape{elements};
    CHECK_THROWS_WITH(Tensor::uninitialised(shape), Catch::Contains(std::to_string(elements)));
    CHECK_THROWS_AS(Tensor::zeros(shape), Error);
    CHECK_THROWS_AS(Tensor::uninitialised(shape, DType::i64), Error);
    float one = 0;
    CHECK_THROWS_AS(Tensor::borrow(&one, shape, {}, DType::f32), Error);
  }
  CHECK_THROWS_AS(Tensor::uninitialised({std::int64_t{1} << 61}, DType::i64), Error);
}

TEST_CASE("tensor: an element type that is another one is refused") {
  Tensor x = Tensor::from({1.f}, {1}), labels = Tensor::from({std::int64_t{1}}, {1});
  Tensor half = Tensor::uninitialised({1}, DType::f16);
  CHECK_THROWS_WITH(labels.values(), Catch::Contains("f32") && Catch::Contains("i64"));
  CHECK_THROWS_WITH(x.integers(), Catch::Contains("i64"));
  CHECK_THROWS_AS(half.values(), Error);
  CHECK_THROWS_AS(half.mutable_values(), Error);
  CHECK_THROWS_AS(x.mutable_integers(), Error);
  CHECK_THROWS_AS(labels.item(), Error);
  CHECK_THROWS_AS(labels.variable(), Error);
  CHECK_THROWS_WITH(add(half, half), Catch::Contains("add") && Catch::Contains("f16"));
  CHECK_THROWS_WITH(Tensor::zeros({2}).item(), Catch::Contains("(2)"));
}

TEST_CASE("tensor: an empty one is an Error wherever elements are wanted") {
  Tensor empty;
  CHECK(!empty.defined());
  CHECK(empty.raw() == nullptr);
  CHECK(!empty.requires_grad());
  CHECK_THROWS_AS(empty.values(), Error);
  CHECK_THROWS_AS(empty.context(), Error);
  CHECK_THROWS_AS(empty.mutable_raw(), Error);
  CHECK_THROWS_AS(empty.rows(0, 0), Error);
  CHECK_THROWS_AS(empty.viewed({1}), Error);
  CHECK_THROWS_AS(empty.clone(), Error);
  CHECK_THROWS_AS(empty.variable(), Error);
}

TEST_CASE("tensor: borrowed memory is not copied, and its deleter runs once, after the last handle") {
  std::vector<float> memory{1, 2, 3, 4};
  int deleted = 0;
  {
    Tensor row;
    {
      const Tensor x = Tensor::borrow(memory.data(), {2, 2}, [&] { ++deleted; });
      CHECK(x.raw() == memory.data());
      row = x.rows(1, 1);
    }
    CHECK(deleted == 0);
    memory[3] = 9;
    CHECK(list(row) == std::vector<float>{3, 9});
  }
  CHECK(deleted == 1);
  Tensor mine = Tensor::borrow(memory.data(), {4}, {});
  mine.mutable_values()[0] = 5;
  CHECK(memory[0] == 5);
}

TEST_CASE("tensor: borrowed memory is given back when no tensor comes of it") {
  float one = 0;
  int deleted = 0;
  const auto deleter = [&deleted] { ++deleted; };
  CHECK_THROWS_AS(Tensor::borrow(nullptr, {4}, deleter), Error);
  CHECK(deleted == 1);
  if (!test::counts_allocations()) return;
  {
    const std::function<void()> given = deleter;
    const test::FailingAllocation failing(sizeof(Storage));
    CHECK_THROWS_AS(Tensor::borrow(&one, {1}, given), std::bad_alloc);
  }
  CHECK(deleted == 2);
}

TEST_CASE("tensor: borrowed memory that is null or crooked is refused, nothing may be null") {
  std::vector<float> memory(4);
  CHECK_THROWS_WITH(Tensor::borrow(nullptr, {4}, {}), Catch::Contains("null"));
  CHECK_THROWS_WITH(Tensor::borrow(reinterpret_cast<char*>(memory.data()) + 1, {1}, {}), Catch::Contains("aligned"));
  CHECK(Tensor::borrow(nullptr, {0, 4}, {}).values().empty());
}

TEST_CASE("tensor: copies, rows, views, variables and detached ones share; writing is then refused") {
  Tensor x = Tensor::from({1.f, 2.f, 3.f, 4.f, 5.f, 6.f}, {3, 2});
  for (const Tensor& other : {Tensor(x), x.rows(0, 1), x.viewed({6}), x.variable(), x.detached()}) {
    CHECK(other.values()[0] == 1);
    CHECK_THROWS_WITH(x.mutable_values(), Catch::Contains("clone()"));
    CHECK_THROWS_AS(x.mutable_raw(), Error);
  }
  const float* const place = x.values().data();
  x.mutable_values()[0] = 7;  // alone again
  CHECK(x.values().data() == place);
  CHECK(x.values()[0] == 7);
  Tensor clone = x.clone();
  clone.mutable_values()[0] = 8;
  CHECK(x.values()[0] == 7);
}

TEST_CASE("tensor: what the tape keeps cannot be written until backward has run") {
  const Tensor leaf = Tensor::full({3}, 2).variable();
  Tensor y = affine(leaf, 3);
  const Tensor root = sum(square(y));
  CHECK_THROWS_AS(y.mutable_values(), Error);
  CHECK(list(gradients(root, {leaf})[0]) == std::vector<float>(3, 36));
  y.mutable_values()[0] = 1;
  CHECK(y.values()[0] == 1);
}

TEST_CASE("tensor: rows and views are places in the same elements") {
  const Tensor x = Tensor::from({1.f, 2.f, 3.f, 4.f, 5.f, 6.f}, {3, 2});
  CHECK(list(x.rows(1, 2)) == std::vector<float>{3, 4, 5, 6});
  CHECK(list(x.rows(1, 2).rows(1, 1).viewed({2, 1, 1})) == std::vector<float>{5, 6});
  CHECK(x.rows(3, 0).shape() == Shape{0, 2});
  CHECK(list(x.rows(2, 1).clone()) == std::vector<float>{5, 6});
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  for (const auto& [first, count] :
       {std::pair<std::int64_t, std::int64_t>{2, 2}, {-1, 1}, {0, -1}, {4, 0}, {most, 1}, {1, most}, {most, most}}) {
    CHECK_THROWS_WITH(x.rows(first, count), Catch::Contains("(3, 2)"));
  }
  CHECK_THROWS_AS(Tensor::scalar(1).rows(0, 1), Error);
  CHECK_THROWS_WITH(x.viewed({4, 2}), Catch::Contains("(4, 2)") && Catch::Contains("(3, 2)"));
}

TEST_CASE("tensor: views of a recorded tensor are off the tape, copies are on it") {
  const Tensor leaf = Tensor::full({2, 2}, 1).variable();
  const Tensor y = affine(leaf, 2);
  CHECK(Tensor(y).requires_grad());
  for (const Tensor& off : {y.rows(0, 1), y.viewed({4}), y.clone(), y.detached()}) CHECK(!off.requires_grad());
}
