// 3x3 convolutions with so many channels and pictures that every way of sharing them out is taken: tiles in groups, stage by
// stage, weights made where they are used; gradients of weights of few tiles and of many.
#include <algorithm>
#include <array>
#include <cmath>

#include "eddy/autograd.hpp"
#include "eddy/ops.hpp"
#include "eddy/random.hpp"
#include "support/catch.hpp"
#include "support/instruction_sets.hpp"

using namespace eddy;

namespace {

Tensor noise(const Shape& shape, std::uint32_t number, const Context& context) {
  return philox_noise(3).normal(shape, {kUser, number}, context);
}

// Pictures, weights, a gradient of the output, which is as large as a picture, and what is added to it.
struct Case {
  Tensor x, weight, seed;
  Tensor bias = {}, sample_bias = {}, residual = {};
  Case(std::int64_t n, std::int64_t in, std::int64_t out, std::int64_t height, std::int64_t width, const Context& context)
      : x(noise({n, height, width, in}, 1, context)),
        weight(noise({out, in, 3, 3}, 2, context)),
        seed(noise({n, height, width, out}, 3, context)) {}
  Case(std::int64_t n, std::int64_t in, std::int64_t out, std::int64_t size, const Context& context)
      : Case(n, in, out, size, size, context) {}
  // The same with terms that are added.
  Case with_terms(const Context& context) const {
    Case result = *this;
    const std::int64_t out = weight.extent(0);
    result.bias = noise({out}, 4, context);
    result.sample_bias = noise({x.extent(0), out}, 5, context);
    result.residual = noise(seed.shape(), 6, context);
    return result;
  }
  // Some pictures of it.
  Case rows(std::int64_t begin, std::int64_t end) const {
    Case result = *this;
    for (Tensor* t : {&result.x, &result.seed, &result.sample_bias, &result.residual}) {
      if (t->defined()) *t = t->rows(begin, end);
    }
    return result;
  }
};

struct Results {
  Tensor y, dx, dw;
};

Results run(const Case& k) {
  const Tensor at = k.x.variable(), w = k.weight.variable();
  const Conv2dOptions options{.pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1};
  const Tensor y = conv2d(at, w, k.bias, options, {}, k.sample_bias, k.residual);
  const auto g = gradients(y, {at, w}, k.seed);
  return {y.detached(), g[0], g[1]};
}

float at(const Tensor& x, std::int64_t n, std::int64_t row, std::int64_t column, std::int64_t c) {
  const std::int64_t height = x.extent(1), width = x.extent(2);
  if (row < 0 || column < 0 || row >= height || column >= width) return 0;
  return x.values()[static_cast<std::size_t>(((n * height + row) * width + column) * x.extent(3) + c)];
}

float weight_at(const Tensor& w, std::int64_t o, std::int64_t c, std::int64_t tap) {
  return w.values()[static_cast<std::size_t>((o * w.extent(1) + c) * 9 + tap)];
}

// A sum of products and the sum of their sizes, in double.
struct Sum {
  double total = 0, size = 0;
  void add(float a, float b) {
    total += static_cast<double>(a) * b;
    size += std::abs(static_cast<double>(a) * b);
  }
};

Sum output(const Case& k, std::int64_t n, std::int64_t row, std::int64_t column, std::int64_t o) {
  Sum sum;
  if (k.bias.defined()) sum.add(k.bias.values()[static_cast<std::size_t>(o)], 1);
  if (k.sample_bias.defined()) sum.add(k.sample_bias.values()[static_cast<std::size_t>(n * k.weight.extent(0) + o)], 1);
  if (k.residual.defined()) sum.add(at(k.residual, n, row, column, o), 1);
  for (std::int64_t tap = 0; tap < 9; ++tap) {
    for (std::int64_t c = 0; c < k.x.extent(3); ++c) {
      sum.add(at(k.x, n, row + tap / 3 - 1, column + tap % 3 - 1, c), weight_at(k.weight, o, c, tap));
    }
  }
  return sum;
}

Sum input_gradient(const Case& k, std::int64_t n, std::int64_t row, std::int64_t column, std::int64_t c) {
  Sum sum;
  for (std::int64_t tap = 0; tap < 9; ++tap) {
    for (std::int64_t o = 0; o < k.seed.extent(3); ++o) {
      sum.add(at(k.seed, n, row - tap / 3 + 1, column - tap % 3 + 1, o), weight_at(k.weight, o, c, tap));
    }
  }
  return sum;
}

Sum weight_gradient(const Case& k, std::int64_t o, std::int64_t c, std::int64_t tap) {
  Sum sum;
  for (std::int64_t n = 0; n < k.x.extent(0); ++n) {
    for (std::int64_t p = 0; p < k.x.extent(1) * k.x.extent(2); ++p) {
      const std::int64_t row = p / k.x.extent(2), column = p % k.x.extent(2);
      sum.add(at(k.seed, n, row, column, o), at(k.x, n, row + tap / 3 - 1, column + tap % 3 - 1, c));
    }
  }
  return sum;
}

// A sum of few terms at an edge errs as one of all the terms does that its tile holds.
Sum beside(Sum edge, const Sum& middle) {
  edge.size = std::max(edge.size, middle.size);
  return edge;
}

void check_close(float got, const Sum& expected) {
  CHECK(std::abs(static_cast<double>(got) - expected.total) <= 2e-6 * expected.size);
}

}  // namespace

TEST_CASE("conv2d: a picture has the same bytes in any batch, whichever way the batch is shared out", "[ops][kernels]") {
  for (const Isa isa : test::instruction_sets()) {
    INFO(name(isa));
    const std::array<std::int64_t, 4> shapes[] = {{75, 72, 132, 8}, {40, 300, 132, 8}, {7, 72, 132, 16}, {5, 300, 130, 13},
                                                  {7, 48, 50, 14},  {3, 64, 200, 30},  {40, 300, 132, 7}, {9, 72, 132, 5},
                                                  {9, 64, 3, 8}};
    for (const auto [n, in, out, size] : shapes) {
      const Context context(ContextOptions{.isa = isa, .threads = 2});
      const Case all = Case(n, in, out, size, context).with_terms(context);
      INFO(n << " x " << size << " x " << size << " x " << in << " -> " << out);
      const Results whole = run(all);
      for (std::int64_t i = 0; i < 60; ++i) {
        const std::int64_t sample = i * 31 % n, row = i % size, column = i * 3 % size, o = i * 17 % out, c = i * 7 % in;
        check_close(at(whole.y, sample, row, column, o), output(all, sample, row, column, o));
        check_close(at(whole.dx, sample, row, column, c), input_gradient(all, sample, row, column, c));
      }
      for (const std::int64_t part : {1, 2, 3, 5, 20, 39}) {
        if (part >= n) continue;
        const Results some = run(all.rows(0, part));
        CHECK(std::ranges::equal(some.y.values(), whole.y.rows(0, part).values()));
        CHECK(std::ranges::equal(some.dx.values(), whole.dx.rows(0, part).values()));
      }
    }
  }
}

// Tiles are 4 or 3 outputs high and wide, as a side divides, and few or many of each kind lie together.
TEST_CASE("conv2d: pictures of every height and width up to 14", "[ops][kernels]") {
  for (const Isa isa : test::instruction_sets()) {
    const Context context(ContextOptions{.isa = isa, .threads = 2});
    for (std::int64_t height = 1; height <= 14; ++height) {
      for (std::int64_t width = 1; width <= 14; ++width) {
        const bool one = (height + width) % 3 == 0;  // few tiles, many channels: each thread carries panels of weights through
        const std::int64_t n = one ? 1 : 3, in = one ? 64 : 20, out = one ? 128 : 24;
        INFO(name(isa) << ": " << n << " x " << height << " x " << width << " x " << in << " -> " << out);
        const Case k(n, in, out, height, width, context);
        const Results r = run(k);
        for (std::int64_t p = 0; p < height * width; ++p) {
          const std::int64_t row = p / width, column = p % width, sample = p % n, o = p * 11 % out, c = p * 5 % in;
          check_close(at(r.y, sample, row, column, o), output(k, sample, row, column, o));
          check_close(at(r.dx, sample, row, column, c), input_gradient(k, sample, row, column, c));
        }
        for (std::int64_t i = 0; i < 18; ++i) {
          const std::int64_t o = i * 11 % out, c = i * 3 % in, tap = i % 9;
          Sum expected = weight_gradient(k, o, c, tap);
          if (expected.size == 0) expected.size = weight_gradient(k, o, c, 4).size;  // beside a single row of pixels
          check_close(weight_at(r.dw, o, c, tap), expected);
        }
      }
    }
  }
}

TEST_CASE("conv2d: gradients of weights of few tiles and of many, the same bytes on any number of threads", "[ops][kernels]") {
  for (const Isa isa : test::instruction_sets()) {
    INFO(name(isa));
    const std::array<std::int64_t, 4> shapes[] = {{2, 72, 132, 8},  {3, 300, 104, 8}, {75, 72, 132, 8}, {200, 8, 40, 8},
                                                  {2, 72, 132, 11}, {75, 72, 132, 7}, {40, 40, 40, 14}, {30, 8, 40, 10},
                                                  {40, 40, 40, 9}};
    for (const auto [n, in, out, size] : shapes) {
      const Context context(ContextOptions{.isa = isa, .threads = 1}), other(ContextOptions{.isa = isa, .threads = 3});
      const Case k(n, in, out, size, context), same(n, in, out, size, other);
      const Results one = run(k), three = run(same);
      for (std::int64_t i = 0; i < 60; ++i) {
        const std::int64_t o = i * 13 % out, c = i * 41 % in, tap = i % 9;
        check_close(weight_at(one.dw, o, c, tap), weight_gradient(k, o, c, tap));
      }
      CHECK(std::ranges::equal(one.dw.values(), three.dw.values()));
      CHECK(std::ranges::equal(one.y.values(), three.y.values()));
      CHECK(std::ranges::equal(one.dx.values(), three.dx.values()));
    }
  }
}

TEST_CASE("conv2d: other strides have the same bytes on any number of threads", "[ops][kernels]") {
  struct Shape4 {
    std::int64_t n, size, in, out;
  };
  for (const Isa isa : test::instruction_sets()) {
    for (const Shape4& s : {Shape4{8, 24, 5, 7}, {2, 9, 70, 150}, {5, 30, 66, 20}}) {  // many pixels, many channels, both
      INFO(name(isa) << ": " << s.in << " -> " << s.out);
      std::vector<std::vector<float>> results[2];
      for (const int threads : {1, 3}) {
        const Context context(ContextOptions{.isa = isa, .threads = threads});
        const Tensor x = noise({s.n, s.size, s.size, s.in}, 1, context).variable();
        const Tensor weight = noise({s.out, s.in, 3, 3}, 2, context).variable();
        const Tensor y = conv2d(x, weight, {}, {.stride = 2, .pad_top = 1, .pad_left = 1});
        const auto gradient = gradients(y, {x, weight}, noise(y.shape(), 3, context));
        for (const Tensor& t : {y, gradient[0], gradient[1]}) {
          results[threads / 3].emplace_back(t.values().begin(), t.values().end());
        }
      }
      CHECK(results[0] == results[1]);
    }
  }
}

TEST_CASE("conv2d: the most channels that tiles are made of, and one more", "[ops][kernels]") {
  for (const Isa isa : test::instruction_sets()) {
    const Context context(ContextOptions{.isa = isa, .threads = 2});
    for (const auto [in, out] : {std::array<std::int64_t, 2>{4096, 5}, {5, 4096}, {4097, 5}, {5, 4097}}) {
      for (const auto [height, width] : {std::array<std::int64_t, 2>{3, 3}, {5, 5}, {4, 7}}) {
        INFO(name(isa) << ": " << height << " x " << width << " x " << in << " -> " << out);
        const Case k(1, in, out, height, width, context);
        const Results r = run(k);
        for (std::int64_t p = 0; p < height * width; ++p) {
          const std::int64_t row = p / width, column = p % width, o = out - 1 - p * 11 % out, c = in - 1 - p * 7 % in;
          check_close(at(r.y, 0, row, column, o), output(k, 0, row, column, o));
          check_close(at(r.dx, 0, row, column, c), beside(input_gradient(k, 0, row, column, c),
                                                          input_gradient(k, 0, height / 2, width / 2, c)));
        }
        for (std::int64_t tap = 0; tap < 9; ++tap) {
          check_close(weight_at(r.dw, out - 1, in - 1, tap),
                      beside(weight_gradient(k, out - 1, in - 1, tap), weight_gradient(k, out - 1, in - 1, 4)));
        }
      }
    }
  }
}

TEST_CASE("conv2d: no pictures are no work", "[ops][kernels]") {
  for (const Isa isa : test::instruction_sets()) {
    INFO(name(isa));
    const Context context(ContextOptions{.isa = isa, .threads = 2});
    for (const std::int64_t out : {48, 200}) {
      const Case none(0, 64, out, 16, context);
      const Results results = run(none);
      CHECK(results.y.shape() == Shape{0, 16, 16, out});
      CHECK(results.dx.elements() == 0);
      CHECK(std::ranges::all_of(results.dw.values(), [](float v) { return v == 0; }));
    }
    const Tensor x = Tensor::zeros({0, 8, 8, 4}, context), weight = Tensor::full({5, 4, 3, 3}, 1, context).variable();
    const Tensor strided = gradients(conv2d(x, weight, {}, {.stride = 2}), {weight}, Tensor::zeros({0, 3, 3, 5}, context))[0];
    CHECK(std::ranges::all_of(strided.values(), [](float v) { return v == 0; }));
  }
}
