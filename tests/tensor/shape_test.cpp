#include <limits>

#include "eddy/error.hpp"
#include "eddy/tensor.hpp"
#include "support/catch.hpp"

using namespace eddy;

TEST_CASE("shape: extents, from the end too, and their product") {
  const Shape shape{2, 3, 5};
  CHECK(shape.rank() == 3);
  CHECK(shape[0] == 2);
  CHECK(shape[-1] == 5);
  CHECK(shape[-3] == 2);
  CHECK(shape.elements() == 30);
  CHECK(to_string(shape) == "(2, 3, 5)");
  CHECK_THROWS_WITH(shape[3], Catch::Contains("3") && Catch::Contains("(2, 3, 5)"));
  CHECK_THROWS_AS(shape[-4], Error);
}

TEST_CASE("shape: a scalar has one element, an extent of 0 none") {
  CHECK(Shape{}.elements() == 1);
  CHECK(to_string(Shape{}) == "()");
  CHECK_THROWS_AS(Shape{}[0], Error);
  CHECK(Shape{4, 0, 3}.elements() == 0);
}

TEST_CASE("shape: equal when all extents are, and as many") {
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK(!(Shape{2, 3} == Shape{3, 2}));
  CHECK(!(Shape{2, 3} == Shape{2, 3, 1}));
  CHECK(!(Shape{1} == Shape{}));
}

TEST_CASE("shape: hostile extents are Errors") {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  CHECK_THROWS_WITH((Shape{1, 1, 1, 1, 1, 1, 1}), Catch::Contains("7"));
  CHECK_THROWS_WITH((Shape{2, -1}), Catch::Contains("-1"));
  CHECK_THROWS_AS((Shape{std::numeric_limits<std::int64_t>::min()}), Error);
  CHECK_THROWS_AS((Shape{most}), Error);
  CHECK_THROWS_AS((Shape{std::int64_t{1} << 31, std::int64_t{1} << 32}), Error);
  CHECK_THROWS_AS((Shape{most, most, most}), Error);
  CHECK_THROWS_AS((Shape{0, most, most}), Error);
  CHECK((Shape{std::int64_t{1} << 31, std::int64_t{1} << 31}).elements() == std::int64_t{1} << 62);
}

TEST_CASE("dtype: names and sizes") {
  CHECK(std::string(name(DType::f32)) == "f32");
  CHECK(std::string(name(DType::bf16)) == "bf16");
  CHECK(size_of(DType::f32) == 4);
  CHECK(size_of(DType::f16) == 2);
  CHECK(size_of(DType::bf16) == 2);
  CHECK(size_of(DType::i64) == 8);
}
