#include "tensor/elementwise.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

std::vector<float> list(const Tensor& x) { return {x.values().begin(), x.values().end()}; }

Context with_threads(int threads) {
  ContextOptions options;
  options.threads = threads;
  return Context(options);
}

// Shapes around the ends of registers and of tiles (2^14 elements): whole tensors, rows, and rows that share a tile.
const std::vector<Shape> kShapes{{},      {1},     {7},          {0, 3},     {3, 0},       {1, 17},
                                 {5, 1},  {3, 33}, {2, 3, 4, 5}, {100, 9},   {3, 16384},   {2, 16385},
                                 {16383}, {16385}, {700, 25},    {2, 40000}, {16384, 1, 2}};

Tensor noise(const Shape& shape, std::uint32_t which, const Context& context) {
  Tensor x = Tensor::uninitialised(shape, DType::f32, context);
  keyed_normals(1, {kInitialNoise, which}, 0, x.mutable_values());
  return x;
}

float plain(Arithmetic kind, float a, float b) {
  switch (kind) {
    case Arithmetic::add:
      return a + b;
    case Arithmetic::sub:
      return a - b;
    case Arithmetic::mul:
      return a * b;
    default:
      return a / b;
  }
}

// The element of b that meets element i of a.
std::size_t meets(Broadcast form, std::size_t i, const Shape& a) {
  const std::size_t row = a.rank() > 0 && a[0] > 0 ? static_cast<std::size_t>(a.elements() / a[0]) : 1;
  switch (form) {
    case Broadcast::same:
      return i;
    case Broadcast::row:
      return i % row;
    case Broadcast::column:
      return i / row;
    default:
      return 0;
  }
}

Shape second(Broadcast form, const Shape& a) {
  if (form == Broadcast::same || a.rank() == 0) return a;
  if (form == Broadcast::scalar) return {};
  if (form == Broadcast::column) return {a[0]};
  std::vector<std::int64_t> extents(a.extents().begin(), a.extents().end());
  extents[0] = 1;
  return Shape(std::span<const std::int64_t>(extents));
}

}  // namespace

TEST_CASE("elementwise: each form of broadcasting at every length of tail is the plain loop, for any threads",
          "[threads]") {
  for (const int threads : {1, 3}) {
    const Context context = with_threads(threads);
    for (const Shape& shape : kShapes) {
      const Tensor a = noise(shape, 1, context);
      for (const Broadcast form : {Broadcast::same, Broadcast::row, Broadcast::column, Broadcast::scalar}) {
        const Tensor b = noise(second(form, shape), 2, context);
        for (const Arithmetic kind : {Arithmetic::add, Arithmetic::sub, Arithmetic::mul, Arithmetic::div}) {
          const Broadcast chosen = broadcast_of("test", a.shape(), b.shape());
          std::vector<float> expected(a.values().size());
          for (std::size_t i = 0; i < expected.size(); ++i) {
            expected[i] = plain(kind, a.values()[i], b.values()[meets(form, i, shape)]);
          }
          INFO(to_string(shape) << " and " << to_string(b.shape()));
          REQUIRE(list(arithmetic(kind, a, b, chosen)) == expected);
        }
      }
    }
  }
}

TEST_CASE("elementwise: which shapes fit, and what does not is an Error that names the operation") {
  CHECK(broadcast_of("op", {2, 3}, {2, 3}) == Broadcast::same);
  CHECK(broadcast_of("op", {2, 3}, {1, 3}) == Broadcast::row);
  CHECK(broadcast_of("op", {2, 3}, {2}) == Broadcast::column);
  CHECK(broadcast_of("op", {2, 3}, {2, 1}) == Broadcast::column);
  CHECK(broadcast_of("op", {2, 3, 4}, {2, 1, 1}) == Broadcast::column);
  CHECK(broadcast_of("op", {2, 3}, {}) == Broadcast::scalar);
  CHECK(broadcast_of("op", {2, 3}, {1, 1}) == Broadcast::scalar);
  const std::vector<std::pair<Shape, Shape>> bad{{{2, 3}, {3}},       {{2, 3}, {3, 2}}, {{2, 3}, {2, 3, 1}},
                                                 {{1, 3}, {2, 3}},    {{}, {2}},        {{2, 3, 4}, {1, 4}},
                                                 {{2, 3, 4}, {2, 3}}, {{3}, {2}},       {{2, 3, 4}, {2, 3, 1}}};
  for (const auto& [a, b] : bad) {
    CHECK_THROWS_WITH(broadcast_of("op", a, b), Catch::Contains("op: ") && Catch::Contains(to_string(b)));
  }
}

TEST_CASE("elementwise: scaled and combined, one pair of coefficients or one a row") {
  const Context context = with_threads(2);
  for (const Shape& shape : kShapes) {
    const Tensor x = noise(shape, 1, context), y = noise(shape, 2, context);
    const std::size_t n = x.values().size(), rows = static_cast<std::size_t>(shape.rank() > 0 ? shape[0] : 1);
    std::vector<float> line(n), pair(n), each(n), alone(n), a(rows), b(rows);
    for (std::size_t i = 0; i < rows; ++i) a[i] = 0.3f + static_cast<float>(i), b[i] = 2.1f - static_cast<float>(i);
    for (std::size_t i = 0; i < n; ++i) {
      const float u = x.values()[i], v = y.values()[i];
      const std::size_t row = meets(Broadcast::column, i, shape);
      line[i] = u * 1.7f + 0.3f;
      pair[i] = u * 1.1f + v * -0.7f;
      each[i] = u * a[row] + v * b[row];
      alone[i] = u * a[row];
    }
    INFO(to_string(shape));
    REQUIRE(list(scaled(x, 1.7f, 0.3f)) == line);
    REQUIRE(list(combined(std::vector{1.1f}, x, std::vector{-0.7f}, y)) == pair);
    if (shape.rank() == 0) continue;
    REQUIRE(list(combined(a, x, b, y)) == each);
    REQUIRE(list(combined(a, x, {}, {})) == alone);
  }
}

TEST_CASE("elementwise: limits keep their ends, NaN passes, and its gradient is 0") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const Tensor x = Tensor::from({-infinity, -1.5f, -1.f, 0.f, 2.f, 2.5f, infinity, nan}, {8});
  const Tensor y = limited(x, -1, 2);
  CHECK(list(y.rows(0, 7)) == std::vector<float>{-1, -1, -1, 0, 2, 2, 2});
  CHECK(std::isnan(y.values()[7]));
  CHECK(list(limited_gradient(x, Tensor::full({8}, 3), -1, 2)) == std::vector<float>{0, 0, 3, 3, 3, 0, 0, 0});
}

TEST_CASE("elementwise: sums of rows are summed in double, equal for any number of threads", "[threads]") {
  const Context one = with_threads(1), three = with_threads(3);
  for (const Shape& shape : kShapes) {
    if (shape.rank() == 0) continue;
    const Tensor x = noise(shape, 1, one);
    const Tensor copy = Tensor::from(x.values(), shape, three);
    const std::size_t rows = static_cast<std::size_t>(shape[0]), row = rows > 0 ? x.values().size() / rows : 0;
    std::vector<double> sums(rows), again(rows);
    row_sums(x, shape[0], sums.data());
    row_sums(copy, shape[0], again.data());
    CHECK(sums == again);
    for (std::size_t i = 0; i < rows; ++i) {
      long double exact = 0, size = 0;
      for (std::size_t k = 0; k < row; ++k) exact += x.values()[i * row + k], size += std::abs(x.values()[i * row + k]);
      REQUIRE(std::abs(sums[i] - static_cast<double>(exact)) <= 1e-13 * static_cast<double>(size));
    }
  }
}

TEST_CASE("elementwise: a broadcast input's gradient is the sum of what it met") {
  const Tensor g = noise({3, 2, 35}, 1, Context());
  for (const Broadcast form : {Broadcast::same, Broadcast::row, Broadcast::column, Broadcast::scalar}) {
    const Shape shape = second(form, g.shape());
    std::vector<double> expected(static_cast<std::size_t>(shape.elements()));
    for (std::size_t i = 0; i < g.values().size(); ++i) expected[meets(form, i, g.shape())] += g.values()[i];
    const Tensor result = reduced(g, shape, form);
    CHECK(result.shape() == shape);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      REQUIRE(static_cast<double>(result.values()[i]) == Approx(expected[i]).epsilon(1e-6).margin(1e-6));
    }
  }
}
