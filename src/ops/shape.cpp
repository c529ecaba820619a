// Other extents, slices and joins of the innermost extent, and the order of picture extents.
#include <cstring>

#include "ops/support.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr Operation kReshape{
    "reshape",
    [](Call& call) {
      call.keep_input(0);
      return call.input(0).viewed(call.attributes<Shape>());
    },
    [](Call& call, const Tensor& g, std::span<Tensor> result) { result[0] = g.viewed(call.input_shape(0)); },
    [](Call& call, std::span<const Tensor> t) { return t[0].viewed(call.attributes<Shape>()); }, true};

// Copies `count` columns between rows of different lengths.
void copy_columns(const Tensor& from, std::int64_t from_first, const Tensor& to, std::int64_t to_first,
                  std::int64_t count) {
  const std::int64_t from_row = from.extent(-1), to_row = to.extent(-1);
  const std::int64_t rows = from_row > 0 ? from.elements() / from_row : 0;
  const float* in = data(from) + from_first;
  float* out = write(to) + to_first;
  for (std::int64_t r = 0; r < rows; ++r) {
    std::memcpy(out + r * to_row, in + r * from_row, static_cast<std::size_t>(count) * sizeof(float));
  }
}

struct Columns {
  std::int64_t first, count;
};

Tensor sliced(const Tensor& x, Columns c) {
  Tensor y = make(with_last(x.shape(), c.count), x.context());
  copy_columns(x, c.first, y, 0, c.count);
  return y;
}

constexpr Operation kSlice{"slice", [](Call& call) { return sliced(call.input(0), call.attributes<Columns>()); },
                           [](Call& call, const Tensor& g, std::span<Tensor> result) {
                             const Columns& c = call.attributes<Columns>();
                             result[0] = Tensor::zeros(call.input_shape(0), g.context());
                             copy_columns(g, 0, result[0], c.first, c.count);
                           },
                           [](Call& call, std::span<const Tensor> t) {
                             return sliced(t[0], call.attributes<Columns>());
                           }};

constexpr Operation kConcat{"concat",
                            [](Call& call) {
                              const Tensor a = call.input(0), b = call.input(1);
                              const std::int64_t ca = a.extent(-1), cb = b.extent(-1);
                              Tensor y = make(with_last(a.shape(), ca + cb), a.context());
                              copy_columns(a, 0, y, 0, ca);
                              copy_columns(b, 0, y, ca, cb);
                              return y;
                            },
                            [](Call& call, const Tensor& g, std::span<Tensor> result) {
                              const std::int64_t ca = call.input_shape(0)[-1], cb = call.input_shape(1)[-1];
                              if (call.wants(0)) result[0] = sliced(g, {0, ca});
                              if (call.wants(1)) result[1] = sliced(g, {ca, cb});
                            }};

// (n, a, b) -> (n, b, a)
Tensor swapped(const Tensor& x, std::int64_t n, std::int64_t a, std::int64_t b, const Shape& shape) {
  Tensor y = make(shape, x.context());
  const float* in = data(x);
  float* out = write(y);
  for (std::int64_t s = 0; s < n; ++s) {
    for (std::int64_t i = 0; i < a; ++i) {
      for (std::int64_t j = 0; j < b; ++j) out[(s * b + j) * a + i] = in[(s * a + i) * b + j];
    }
  }
  return y;
}

Tensor nchw(const Tensor& x) {
  const Shape& s = x.shape();
  return swapped(x, s[0], s[1] * s[2], s[3], {s[0], s[3], s[1], s[2]});
}
Tensor nhwc(const Tensor& x) {
  const Shape& s = x.shape();
  return swapped(x, s[0], s[1], s[2] * s[3], {s[0], s[2], s[3], s[1]});
}

constexpr Operation kToNchw{"to_nchw", [](Call& call) { return nchw(call.input(0)); },
                            [](Call&, const Tensor& g, std::span<Tensor> result) { result[0] = nhwc(g); }};
constexpr Operation kToNhwc{"to_nhwc", [](Call& call) { return nhwc(call.input(0)); },
                            [](Call&, const Tensor& g, std::span<Tensor> result) { result[0] = nchw(g); }};

void require_rank(const Tensor& x, int rank, const char* operation) {
  require_f32(x, operation, "x");
  require(x.rank() == rank, operation,
          [&] { return "x must have rank " + std::to_string(rank) + ", got " + to_string(x.shape()); });
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  require_f32(x, "reshape", "x");
  require(shape.elements() == x.elements(), "reshape",
          [&] { return to_string(shape) + " does not hold the elements of " + to_string(x.shape()); });
  return apply(kReshape, {x}, attributes(shape));
}

Tensor slice(const Tensor& x, std::int64_t first, std::int64_t count) {
  require_f32(x, "slice", "x");
  require(x.rank() > 0 && first >= 0 && count >= 0 && first <= x.extent(-1) - count, "slice", [&] {
    return "columns " + std::to_string(first) + " to " + std::to_string(first + count) + " of " + to_string(x.shape()) +
           " do not exist";
  });
  return apply(kSlice, {x}, attributes(Columns{first, count}));
}

Tensor concat(const Tensor& a, const Tensor& b) {
  require_f32(a, "concat", "a");
  require_f32(b, "concat", "b");
  require(a.rank() > 0 && a.rank() == b.rank() && with_last(a.shape(), 0) == with_last(b.shape(), 0), "concat", [&] {
    return "all extents but the innermost must be equal, got " + to_string(a.shape()) + " and " + to_string(b.shape());
  });
  return apply(kConcat, {a, b});
}

Tensor to_nchw(const Tensor& x) {
  require_rank(x, 4, "to_nchw");
  return apply(kToNchw, {x});
}

Tensor to_nhwc(const Tensor& x) {
  require_rank(x, 4, "to_nhwc");
  return apply(kToNhwc, {x});
}

}  // namespace eddy::inline v0_1
