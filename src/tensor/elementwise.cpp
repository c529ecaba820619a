// Elementwise arithmetic through Eigen's maps; each tile is a piece of a row.
#include "tensor/elementwise.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <vector>

#include "eddy/error.hpp"
#include "tensor/storage.hpp"

namespace eddy::inline v0_1 {

namespace {

using In = Eigen::Map<const Eigen::ArrayXf>;
using Out = Eigen::Map<Eigen::ArrayXf>;

constexpr std::int64_t kTile = 1 << 14;  // elements

struct Rows {
  std::int64_t rows, columns;
};

Rows rows_of(const Shape& shape) {
  if (shape.rank() == 0) return {1, 1};
  return {shape[0], shape[0] > 0 ? shape.elements() / shape[0] : 0};
}

// f(row, first column, columns) for pieces of rows; without rows of its own meaning the whole is one row.
template <class F>
void for_pieces(const Context& context, Rows r, const F& f) {
  struct Work {
    const F& f;
    Rows r;
    std::int64_t pieces, rows_per_tile;
  };
  const std::int64_t pieces = std::max<std::int64_t>(1, (r.columns + kTile - 1) / kTile);
  const std::int64_t together = std::max<std::int64_t>(1, kTile / std::max<std::int64_t>(1, r.columns));
  Work work{f, r, pieces, pieces > 1 ? 1 : together};
  const auto tile = [](void* argument, std::int64_t index, int) {
    const Work& w = *static_cast<const Work*>(argument);
    const std::int64_t first_row = index / w.pieces * w.rows_per_tile, column = index % w.pieces * kTile;
    const std::int64_t end = std::min(w.r.rows, first_row + w.rows_per_tile);
    for (std::int64_t row = first_row; row < end; ++row) w.f(row, column, std::min(kTile, w.r.columns - column));
  };
  const std::int64_t groups = (r.rows + work.rows_per_tile - 1) / work.rows_per_tile;
  context.threads().run_tiles(groups * pieces, tile, &work);
}

Rows flat(const Tensor& x) { return {1, x.elements()}; }

template <class A, class B>
void compute(Arithmetic kind, Out out, const A& a, const B& b) {
  switch (kind) {
    case Arithmetic::add:
      out = a + b;
      return;
    case Arithmetic::sub:
      out = a - b;
      return;
    case Arithmetic::mul:
      out = a * b;
      return;
    case Arithmetic::div:
      out = a / b;
      return;
  }
}

}  // namespace

Broadcast broadcast_of(const char* operation, const Shape& a, const Shape& b) {
  if (a == b) return Broadcast::same;
  if (b.elements() == 1) return Broadcast::scalar;
  const auto rest_equal = [&] { return std::ranges::equal(a.extents().subspan(1), b.extents().subspan(1)); };
  if (a.rank() > 0 && b.rank() == a.rank() && b[0] == 1 && rest_equal()) return Broadcast::row;
  if (a.rank() > 0 && b.rank() > 0 && b[0] == a[0] && b.elements() == a[0]) return Broadcast::column;
  throw Error(std::string(operation) + ": shapes " + to_string(a) + " and " + to_string(b) +
              " do not fit: the second must be equal, one sample, one value a sample, or one value");
}

Tensor arithmetic(Arithmetic kind, const Tensor& a, const Tensor& b, Broadcast broadcast) {
  Tensor result = Tensor::uninitialised(a.shape(), DType::f32, a.context());
  const float* pa = a.values().data();
  const float* pb = b.values().data();
  float* out = Tensor::Access::write(result);
  const bool by_row = broadcast == Broadcast::row || broadcast == Broadcast::column;
  const Rows r = by_row ? rows_of(a.shape()) : flat(a);
  for_pieces(a.context(), r, [&](std::int64_t row, std::int64_t column, std::int64_t n) {
    const std::int64_t at = row * r.columns + column;
    const In x(pa + at, n);
    const Out y(out + at, n);
    switch (broadcast) {
      case Broadcast::same:
        return compute(kind, y, x, In(pb + at, n));
      case Broadcast::row:
        return compute(kind, y, x, In(pb + column, n));
      case Broadcast::column:
        return compute(kind, y, x, Eigen::ArrayXf::Constant(n, pb[row]));
      case Broadcast::scalar:
        return compute(kind, y, x, Eigen::ArrayXf::Constant(n, pb[0]));
    }
  });
  return result;
}

Tensor scaled(const Tensor& x, float factor, float offset) {
  Tensor result = Tensor::uninitialised(x.shape(), DType::f32, x.context());
  const float* in = x.values().data();
  float* out = Tensor::Access::write(result);
  for_pieces(x.context(), flat(x), [&](std::int64_t, std::int64_t at, std::int64_t n) {
    Out(out + at, n) = In(in + at, n) * factor + offset;
  });
  return result;
}

Tensor combined(std::span<const float> a, const Tensor& x, std::span<const float> b, const Tensor& y) {
  Tensor result = Tensor::uninitialised(x.shape(), DType::f32, x.context());
  const float* px = x.values().data();
  const float* py = y.defined() ? y.values().data() : nullptr;
  float* out = Tensor::Access::write(result);
  const Rows r = a.size() == 1 ? flat(x) : rows_of(x.shape());
  for_pieces(x.context(), r, [&](std::int64_t row, std::int64_t column, std::int64_t n) {
    const std::int64_t at = row * r.columns + column;
    const auto i = static_cast<std::size_t>(row);
    if (py != nullptr) {
      Out(out + at, n) = In(px + at, n) * a[i] + In(py + at, n) * b[i];
    } else {
      Out(out + at, n) = In(px + at, n) * a[i];
    }
  });
  return result;
}

Tensor limited(const Tensor& x, float low, float high) {
  Tensor result = Tensor::uninitialised(x.shape(), DType::f32, x.context());
  const float* in = x.values().data();
  float* out = Tensor::Access::write(result);
  for_pieces(x.context(), flat(x), [&](std::int64_t, std::int64_t at, std::int64_t n) {
    for (std::int64_t i = at; i < at + n; ++i) out[i] = in[i] < low ? low : in[i] > high ? high : in[i];  // NaN stays
  });
  return result;
}

Tensor limited_gradient(const Tensor& x, const Tensor& dy, float low, float high) {
  Tensor result = Tensor::uninitialised(x.shape(), DType::f32, x.context());
  const float* in = x.values().data();
  const float* g = dy.values().data();
  float* out = Tensor::Access::write(result);
  for_pieces(x.context(), flat(x), [&](std::int64_t, std::int64_t at, std::int64_t n) {
    for (std::int64_t i = at; i < at + n; ++i) out[i] = in[i] >= low && in[i] <= high ? g[i] : 0;
  });
  return result;
}

void row_sums(const Tensor& x, std::int64_t rows, double* sums) {
  const float* in = x.values().data();
  const std::int64_t columns = rows > 0 ? x.elements() / rows : 0;
  // Eight lanes, added in order: one order of sums for any number of threads and any alignment.
  const auto sum_one = [&](std::int64_t row) {
    double lanes[8] = {};
    const float* p = in + row * columns;
    std::int64_t i = 0;
    for (; i + 8 <= columns; i += 8) {
      for (int q = 0; q < 8; ++q) lanes[q] += p[i + q];
    }
    for (int q = 0; i < columns; ++i, ++q) lanes[q] += p[i];
    double total = 0;
    for (const double lane : lanes) total += lane;
    return total;
  };
  struct Work {
    const decltype(sum_one)& f;
    double* sums;
  } work{sum_one, sums};
  const auto tile = [](void* argument, std::int64_t row, int) {
    const Work& w = *static_cast<const Work*>(argument);
    w.sums[row] = w.f(row);
  };
  x.context().threads().run_tiles(rows, tile, &work);
}

Tensor reduced(const Tensor& gradient, const Shape& shape, Broadcast broadcast) {
  if (broadcast == Broadcast::same) return gradient;
  Tensor result = Tensor::uninitialised(shape, DType::f32, gradient.context());
  float* out = Tensor::Access::write(result);
  const Rows r = rows_of(gradient.shape());
  if (broadcast == Broadcast::row) {
    const float* g = gradient.values().data();
    for (std::int64_t c = 0; c < r.columns; ++c) {
      double total = 0;
      for (std::int64_t row = 0; row < r.rows; ++row) total += g[row * r.columns + c];
      out[c] = static_cast<float>(total);
    }
    return result;
  }
  std::vector<double> sums(static_cast<std::size_t>(r.rows));
  row_sums(gradient, r.rows, sums.data());
  double total = 0;
  for (std::size_t row = 0; row < sums.size(); ++row) {
    if (broadcast == Broadcast::column) out[row] = static_cast<float>(sums[row]);
    total += sums[row];
  }
  if (broadcast == Broadcast::scalar) out[0] = static_cast<float>(total);
  return result;
}

}  // namespace eddy::inline v0_1
