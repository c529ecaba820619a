// Convolutions with factors of bfloat16, forward and backward, on AMX and on AVX-512 BF16.
#include "kernels/bf16.hpp"
#include "support/catch.hpp"

using namespace eddy;
using namespace eddy::test;

namespace {

struct Case {
  std::int64_t n, h, w, in, out, kh, kw;
  Conv2dOptions o;
};

Conv2dOptions padded(int stride, int top, int left, int bottom, int right) {
  return {.stride = stride, .pad_top = top, .pad_left = left, .pad_bottom = bottom, .pad_right = right};
}
Conv2dOptions same(int pad, int stride = 1) { return padded(stride, pad, pad, pad, pad); }

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {2, 5, 7, 1, 1, 3, 3, same(1)},
      {1, 1, 1, 3, 4, 3, 3, same(1)},                     // a picture of one pixel
      {3, 1, 9, 4, 3, 3, 3, same(1)},
      {3, 8, 8, 17, 33, 3, 3, same(1)},
      {2, 6, 16, 5, 17, 3, 3, same(1)},                   // each row alone is a line
      {1, 13, 33, 32, 32, 3, 3, same(1)},
      {2, 4, 31, 40, 5, 3, 3, same(1)},
      {2, 9, 11, 40, 36, 3, 3, padded(2, 0, 0, 1, 1)},    // diffusers' downsampling
      {2, 8, 8, 4, 5, 3, 3, same(1, 2)},
      {1, 32, 32, 3, 4, 3, 3, same(1, 2)},
      {1, 11, 10, 5, 3, 3, 3, same(1, 3)},
      {1, 7, 6, 3, 5, 5, 5, same(2)},
      {2, 6, 6, 3, 2, 1, 1, same(0, 2)},
      {2, 6, 5, 3, 2, 1, 1, same(1)},                     // zeros around outputs: more padding than the kernel reaches
      {1, 5, 4, 17, 4, 3, 3, same(3)},
      {1, 5, 4, 3, 4, 2, 3, padded(1, 0, 2, 3, 0)},
      {2, 7, 9, 4, 17, 3, 3, same(0)},
      {1, 6, 7, 3, 4, 3, 2, padded(2, 2, 0, 0, 2)},
      {3, 20, 19, 64, 40, 3, 3, same(1)},                 // more positions than one piece of a weight's gradient
  };
  return all;
}

struct Run {
  Tensor x, w, bias, sample_bias, residual, y, seed;
  std::vector<Tensor> gradients_of;  // x, w
};

Run run(const Case& c, const Context& context) {
  Run r;
  const std::int64_t oh = (c.h + c.o.pad_top + c.o.pad_bottom - c.kh) / c.o.stride + 1,
                     ow = (c.w + c.o.pad_left + c.o.pad_right - c.kw) / c.o.stride + 1;
  r.x = normals({c.n, c.h, c.w, c.in}, 1, context).variable();
  r.w = normals({c.out, c.in, c.kh, c.kw}, 2, context).variable();
  r.bias = normals({c.out}, 3, context);
  r.sample_bias = normals({c.n, c.out}, 4, context);
  r.residual = normals({c.n, oh, ow, c.out}, 5, context);
  r.seed = normals({c.n, oh, ow, c.out}, 6, context);
  r.y = conv2d(r.x, r.w, r.bias, c.o, {}, r.sample_bias, r.residual);
  r.gradients_of = gradients(r.y, {r.x, r.w}, r.seed);
  return r;
}

// y, dx and dW by the definition.
struct Expected {
  Sums y, dx, dw;

  Expected(const Case& c, const Run& r) : y(r.y.elements()), dx(r.x.elements()), dw(r.w.elements()) {
    const std::vector<double> x = factor(r.x), w = factor(r.w), dy = factor(r.seed);
    const std::int64_t oh = r.y.extent(1), ow = r.y.extent(2);
    const auto at = [](const Tensor& t, std::int64_t i) { return static_cast<double>(t.values()[static_cast<std::size_t>(i)]); };
    for (std::int64_t p = 0; p < c.n * oh * ow; ++p) {
      const std::int64_t s = p / (oh * ow), top = p / ow % oh * c.o.stride - c.o.pad_top,
                         left = p % ow * c.o.stride - c.o.pad_left;
      for (std::int64_t o = 0; o < c.out; ++o) {
        const std::int64_t to = p * c.out + o;
        y.add(to, at(r.bias, o));
        y.add(to, at(r.sample_bias, s * c.out + o));
        y.add(to, at(r.residual, to));
        for (std::int64_t tap = 0; tap < c.kh * c.kw; ++tap) {
          const std::int64_t row = top + tap / c.kw, column = left + tap % c.kw;
          if (row < 0 || row >= c.h || column < 0 || column >= c.w) continue;
          for (std::int64_t i = 0; i < c.in; ++i) {
            const std::int64_t ix = ((s * c.h + row) * c.w + column) * c.in + i, iw = (o * c.in + i) * c.kh * c.kw + tap;
            const auto a = static_cast<std::size_t>(ix), b = static_cast<std::size_t>(iw), g = static_cast<std::size_t>(to);
            y.add(to, x[a] * w[b]);
            dx.add(ix, dy[g] * w[b]);
            dw.add(iw, dy[g] * x[a]);
          }
        }
      }
    }
  }
};

}  // namespace

TEST_CASE("bf16 conv2d: forward and backward are sums of products of rounded factors", "[bf16]") {
  for (const Products unit : product_units_here()) {
    for (std::size_t i = 0; i < cases().size(); ++i) {
      CAPTURE(name(unit), i);
      const Case& c = cases()[i];
      const Run r = run(c, with_products(unit));
      const Expected e(c, r);
      CHECK(worst(r.y, e.y) < kMostError);
      CHECK(worst(r.gradients_of[0], e.dx) < kMostError);
      CHECK(worst(r.gradients_of[1], e.dw) < kMostError);
    }
  }
}

TEST_CASE("bf16 conv2d: the same bytes for any number of threads, and for a sample alone", "[bf16]") {
  for (const Products unit : product_units_here()) {
    for (std::size_t i = 0; i < cases().size(); ++i) {
      CAPTURE(name(unit), i);
      const Case& c = cases()[i];
      const Run one = run(c, with_products(unit, 1));
      for (const int threads : {2, 3}) {
        const Run more = run(c, with_products(unit, threads));
        CHECK(list(more.y) == list(one.y));
        CHECK(list(more.gradients_of[0]) == list(one.gradients_of[0]));
        CHECK(list(more.gradients_of[1]) == list(one.gradients_of[1]));
      }
      for (std::int64_t s = 0; s < c.n; ++s) {
        const Tensor x = one.x.rows(s, 1).clone().variable();
        const Tensor y = conv2d(x, one.w, one.bias, c.o, {}, one.sample_bias.rows(s, 1), one.residual.rows(s, 1));
        CHECK(list(y) == list(one.y.rows(s, 1)));
        CHECK(list(gradients(y, {x}, one.seed.rows(s, 1))[0]) == list(one.gradients_of[0].rows(s, 1)));
      }
    }
  }
}

TEST_CASE("bf16 conv2d: within the precision of bfloat16 of float32, and not the same", "[bf16]") {
  const Case c{2, 14, 14, 64, 32, 3, 3, same(1)};
  const Run exact = run(c, with_products(Products::f32));
  for (const Products unit : product_units_here()) {
    const Run r = run(c, with_products(unit));
    for (const auto& [a, b] : {std::pair(r.y, exact.y), std::pair(r.gradients_of[0], exact.gradients_of[0]),
                               std::pair(r.gradients_of[1], exact.gradients_of[1])}) {
      const double off = relative_l2(a.values(), b.values());  // two roundings of up to 2^-9 each, independent
      CHECK(off < 0.004);
      CHECK(off > 0.0005);
    }
  }
  if (product_units_here().size() == 2) {  // each is what it says: they add in different orders
    CHECK(list(run(c, with_products(Products::bf16_amx)).y) != list(run(c, with_products(Products::bf16_avx512)).y));
  }
}

TEST_CASE("bf16 conv2d: what is not finite stays where it belongs", "[bf16]") {
  for (const Products unit : product_units_here()) {
    const Context context = with_products(unit);
    Tensor x = normals({2, 8, 8, 5}, 1, context);
    const Tensor w = normals({7, 5, 3, 3}, 2, context);
    const std::vector<float> before = list(conv2d(x, w, {}, same(1)));
    x.mutable_values()[static_cast<std::size_t>((64 + 0) * 5)] = std::nanf("");  // the second picture's first pixel
    const std::vector<float> after = list(conv2d(x, w, {}, same(1)));
    for (std::size_t i = 0; i < before.size(); ++i) {
      const std::size_t pixel = i / 7, row = pixel % 64 / 8, column = pixel % 8;
      const bool touched = pixel >= 64 && row <= 1 && column <= 1;
      if (std::isnan(after[i]) != touched || (!touched && after[i] != before[i])) FAIL("element " << i);
    }
  }
  SUCCEED();
}
