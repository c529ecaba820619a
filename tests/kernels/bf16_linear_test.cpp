// Products of rows with factors of bfloat16, and 1x1 convolutions, on AMX and on AVX-512 BF16.
#include "kernels/bf16.hpp"
#include "support/catch.hpp"

using namespace eddy;
using namespace eddy::test;

namespace {

struct Case {
  std::int64_t rows, in, in2, out;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all{{1, 1, 0, 1},    {1, 300, 0, 17},  {3, 5, 0, 4},     {16, 32, 0, 33},   {33, 31, 0, 130},
                                     {129, 64, 0, 3}, {300, 17, 0, 40}, {640, 70, 0, 65}, {6, 3, 5, 4},      {48, 32, 32, 33},
                                     {50, 17, 40, 5}, {4, 1, 1, 32},    {16, 2048, 0, 17}};
  return all;
}

// With in2 a 1x1 convolution of pictures of two pixels, which reads two inputs; else linear.
struct Run {
  Tensor x, x2, w, bias, sample_bias, residual, seed, y;
  std::vector<Tensor> gradients_of;  // x, w, x2
};

Run run(const Case& c, const Context& context) {
  Run r;
  const bool pictures = c.in2 > 0;
  const auto shape = [&](std::int64_t columns) { return pictures ? Shape{c.rows / 2, 1, 2, columns} : Shape{c.rows, columns}; };
  r.x = normals(shape(c.in), 1, context).variable();
  r.w = normals(pictures ? Shape{c.out, c.in + c.in2, 1, 1} : Shape{c.out, c.in}, 2, context).variable();
  r.bias = normals({c.out}, 3, context);
  r.residual = normals(shape(c.out), 4, context);
  r.seed = normals(shape(c.out), 5, context);
  if (pictures) {
    r.x2 = normals(shape(c.in2), 6, context).variable();
    r.sample_bias = normals({c.rows / 2, c.out}, 7, context);
    r.y = conv2d(r.x, r.w, r.bias, {}, r.x2, r.sample_bias, r.residual);
    r.gradients_of = gradients(r.y, {r.x, r.w, r.x2}, r.seed);
  } else {
    r.y = linear(r.x, r.w, r.bias, r.residual);
    r.gradients_of = gradients(r.y, {r.x, r.w}, r.seed);
  }
  return r;
}

}  // namespace

TEST_CASE("bf16 linear: forward and backward are sums of products of rounded factors", "[bf16]") {
  for (const Products unit : product_units_here()) {
    for (std::size_t i = 0; i < cases().size(); ++i) {
      CAPTURE(name(unit), i);
      const Case& c = cases()[i];
      const Run r = run(c, with_products(unit));
      Sums y(c.rows * c.out), dx(c.rows * c.in), dx2(c.rows * c.in2), dw(c.out * (c.in + c.in2));
      const std::vector<double> x = factor(r.x), w = factor(r.w), dy = factor(r.seed),
                                x2 = c.in2 > 0 ? factor(r.x2) : std::vector<double>{};
      const auto value = [](const Tensor& t, std::int64_t at) {
        return static_cast<double>(t.values()[static_cast<std::size_t>(at)]);
      };
      for (std::int64_t row = 0; row < c.rows; ++row) {
        for (std::int64_t o = 0; o < c.out; ++o) {
          const std::int64_t to = row * c.out + o;
          y.add(to, value(r.bias, o));
          if (c.in2 > 0) y.add(to, value(r.sample_bias, row / 2 * c.out + o));
          y.add(to, value(r.residual, to));
          for (std::int64_t k = 0; k < c.in + c.in2; ++k) {
            const std::int64_t first = row * c.in + k, second = row * c.in2 + k - c.in, iw = o * (c.in + c.in2) + k;
            const double a = k < c.in ? x[static_cast<std::size_t>(first)] : x2[static_cast<std::size_t>(second)];
            const double b = w[static_cast<std::size_t>(iw)], g = dy[static_cast<std::size_t>(to)];
            y.add(to, a * b);
            dw.add(iw, a * g);
            k < c.in ? dx.add(first, b * g) : dx2.add(second, b * g);
          }
        }
      }
      CHECK(worst(r.y, y) < kMostError);
      CHECK(worst(r.gradients_of[0], dx) < kMostError);
      CHECK(worst(r.gradients_of[1], dw) < kMostError);
      if (c.in2 > 0) CHECK(worst(r.gradients_of[2], dx2) < kMostError);
    }
  }
}

TEST_CASE("bf16 linear: the same bytes for any number of threads, and for a row alone", "[bf16]") {
  for (const Products unit : product_units_here()) {
    for (std::size_t i = 0; i < cases().size(); ++i) {
      CAPTURE(name(unit), i);
      const Case& c = cases()[i];
      const Run one = run(c, with_products(unit, 1));
      for (const int threads : {2, 3}) {
        const Run more = run(c, with_products(unit, threads));
        CHECK(list(more.y) == list(one.y));
        for (std::size_t k = 0; k < one.gradients_of.size(); ++k) CHECK(list(more.gradients_of[k]) == list(one.gradients_of[k]));
      }
      if (c.in2 > 0) continue;
      for (const std::int64_t row : {std::int64_t{0}, c.rows / 2, c.rows - 1}) {
        CHECK(list(linear(one.x.rows(row, 1), one.w, one.bias, one.residual.rows(row, 1))) == list(one.y.rows(row, 1)));
      }
    }
  }
}

TEST_CASE("bf16 linear: no rows are no sums", "[bf16]") {
  for (const Products unit : product_units_here()) {
    const Context context = with_products(unit);
    const Tensor w = normals({4, 3}, 1, context).variable(), x = Tensor::zeros({0, 3}, context);
    const Tensor y = linear(x, w);
    CHECK(y.elements() == 0);
    CHECK(list(gradients(y, {w}, Tensor::zeros({0, 4}, context))[0]) == std::vector<float>(12));
  }
}
