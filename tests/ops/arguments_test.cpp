// What operations refuse, and dropout, which has no closed reference.
#include <algorithm>
#include <cmath>

#include "eddy/error.hpp"
#include "eddy/ops.hpp"
#include "support/catch.hpp"

using namespace eddy;
using Catch::Matchers::Contains;

namespace {
Tensor zeros(std::initializer_list<std::int64_t> shape) { return Tensor::zeros(Shape(shape)); }
}  // namespace

TEST_CASE("operations: arguments that do not fit are refused by name", "[ops]") {
  const Tensor picture = zeros({2, 4, 4, 6}), tokens = zeros({2, 5, 8}), labels = Tensor::from({std::int64_t{0}, std::int64_t{1}}, {2});
  CHECK_THROWS_WITH(add(picture, tokens), Contains("add") && Contains("(2, 4, 4, 6)") && Contains("(2, 5, 8)"));
  CHECK_THROWS_WITH(mul(picture, {}), Contains("mul"));
  CHECK_THROWS_WITH(silu(labels), Contains("activate") && Contains("i64"));
  CHECK_THROWS_WITH(clamp(picture, 1, 0), Contains("clamp"));
  CHECK_THROWS_WITH(combine(std::vector<double>{1}, picture, std::vector<double>{1}, picture), Contains("combine"));
  CHECK_THROWS_WITH(reshape(picture, {3, 65}), Contains("reshape") && Contains("(3, 65)"));
  CHECK_THROWS_WITH(slice(picture, 3, 4), Contains("slice"));
  CHECK_THROWS_WITH(slice(picture, -1, 2), Contains("slice"));
  CHECK_THROWS_WITH(concat(picture, tokens), Contains("concat"));
  CHECK_THROWS_WITH(to_nchw(tokens), Contains("to_nchw"));
  CHECK_THROWS_WITH(mse_per_sample(picture, zeros({2, 4, 4, 5})), Contains("mse_per_sample") && Contains("b must be"));
  CHECK_THROWS_WITH(linear(tokens, zeros({3, 9})), Contains("linear") && Contains("(3, 9)"));
  CHECK_THROWS_WITH(linear(tokens, zeros({3, 8}), zeros({4})), Contains("bias must be (3)"));
  CHECK_THROWS_WITH(linear(tokens, zeros({0, 8})), Contains("linear") && Contains("(0, 8)"));
  CHECK_THROWS_WITH(conv2d(picture, zeros({0, 6, 1, 1}), {}), Contains("conv2d") && Contains("(0, 6, 1, 1)"));
  CHECK_THROWS_WITH(conv2d(picture, zeros({0, 6, 3, 3}), {}), Contains("conv2d") && Contains("(0, 6, 3, 3)"));
  CHECK_THROWS_WITH(conv2d(picture, zeros({8, 5, 3, 3}), {}), Contains("conv2d") && Contains("takes 5 channels"));
  CHECK_THROWS_WITH(conv2d(picture, zeros({8, 6, 5, 5}), {}), Contains("larger than the padded picture"));
  CHECK_THROWS_WITH(conv2d(picture, zeros({8, 6, 3, 3}), {}, {.stride = 0}), Contains("stride"));
  CHECK_THROWS_WITH(conv2d(picture, zeros({8, 12, 3, 3}), {}, {}, picture), Contains("1x1"));
  CHECK_THROWS_WITH(conv2d(picture, zeros({8, 6, 1, 1}), {}, {}, {}, zeros({3, 8})), Contains("sample_bias must be (2, 8)"));
  CHECK_THROWS_WITH(upsample_nearest(picture, 0, 4), Contains("upsample_nearest"));
  CHECK_THROWS_WITH(fir_downsample(zeros({1, 1, 4, 2})), Contains("fir_downsample") && Contains("at least 2"));
  CHECK_THROWS_WITH(fir_upsample(picture, 8, 10), Contains("fir_upsample") && Contains("8 x 10"));
  CHECK_THROWS_WITH(fir_upsample(zeros({1, 1, 4, 2}), 2, 8, FirBorder::reflect), Contains("at least 2"));
  CHECK_THROWS_WITH(fourier_embedding(zeros({2}), zeros({3})), Contains("fourier_embedding") && Contains("positive"));
  CHECK_THROWS_WITH(fourier_embedding(Tensor::full({2}, 1), zeros({3, 1})), Contains("(3, 1)"));
  CHECK_THROWS_WITH(group_norm(picture, zeros({6}), zeros({6}), {.groups = 4}), Contains("4 groups must divide 6 channels"));
  CHECK_THROWS_WITH(group_norm(picture, zeros({5}), zeros({6}), {.groups = 2}), Contains("gamma must be (6)"));
  CHECK_THROWS_WITH(group_norm(picture, zeros({6}), zeros({6}), {.groups = 2}, {}, zeros({2, 6})), Contains("come together"));
  const GroupNormed normed{picture, zeros({6}), zeros({6}), {.groups = 2}};
  const GroupNormed normed_tokens{zeros({2, 9, 6}), zeros({6}), zeros({6}), {.groups = 2}};
  const GroupNormed uneven{picture, zeros({6}), zeros({6}), {.groups = 4}};
  CHECK_THROWS_WITH(conv2d(uneven, zeros({8, 6, 3, 3}), {}), Contains("4 groups must divide"));
  CHECK_THROWS_WITH(conv2d(normed_tokens, zeros({8, 6, 3, 3}), {}), Contains("conv2d") && Contains("(2, 9, 6)"));
  CHECK_THROWS_WITH(conv2d(normed, zeros({8, 5, 3, 3}), {}), Contains("takes 5 channels, x has 6"));
  CHECK_THROWS_WITH(conv2d(normed, zeros({8, 6, 1, 1}), zeros({7})), Contains("bias must be (8)"));
  CHECK_THROWS_WITH(attention(tokens, tokens, tokens, {.heads = 3}), Contains("3 heads must divide 8"));
  CHECK_THROWS_WITH(attention(tokens, tokens, zeros({2, 4, 8}), {.heads = 2}), Contains("v must be (2, 5, 8)"));
  CHECK_THROWS_WITH(attention(tokens, tokens, tokens, {.heads = 2}, {}, zeros({2, 3, 5, 5})), Contains("bias must be"));
  CHECK_THROWS_WITH(embedding(labels, zeros({1, 4})), Contains("index 1 is not in [0, 1)"));
  CHECK_THROWS_WITH(embedding(tokens, zeros({1, 4})), Contains("indices must be i64"));
  CHECK_THROWS_WITH(timestep_embedding(tokens, {}), Contains("t must be (N)"));
  CHECK_THROWS_WITH(dropout(picture, 1, "a"), Contains("dropout"));
}

TEST_CASE("attention: a query whose keys are all hidden gives zero, and no NaN in the gradients", "[ops]") {
  const Tensor q = Tensor::full({1, 2, 4}, 1).variable(), k = Tensor::full({1, 3, 4}, 2).variable();
  const Tensor y = attention(q, k, k, {.heads = 1}, Tensor::zeros({1, 3}));
  for (const float v : y.values()) CHECK(v == 0);
  for (const Tensor& g : gradients(sum(y), {q, k})) {
    for (const float v : g.values()) CHECK(v == 0);
  }
}

TEST_CASE("dropout: is off without a scope, keeps the share 1 - p, scales, and differentiates by its own mask", "[ops]") {
  const Tensor x = Tensor::full({8, 1000}, 2).variable();
  CHECK(dropout(x, 0.25, "layer").values()[5] == 2);
  const DropoutScope scope({3, 7});
  const Tensor y = dropout(x, 0.25, "layer");
  int kept = 0;
  for (const float v : y.values()) {
    kept += v != 0;
    CHECK((v == 0 || v == Approx(2 / 0.75)));
  }
  CHECK(kept == Approx(6000).margin(4 * std::sqrt(8000 * 0.25 * 0.75)));
  const Tensor again = dropout(x, 0.25, "layer"), other = dropout(x, 0.25, "layer2");
  CHECK(std::ranges::equal(again.values(), y.values()));
  CHECK_FALSE(std::ranges::equal(other.values(), y.values()));
  const Tensor g = gradients(sum(y), {x})[0];
  for (std::size_t i = 0; i < 8000; ++i) REQUIRE(g.values()[i] * 2 == y.values()[i]);
  const DropoutScope next({3, 8});
  CHECK_FALSE(std::ranges::equal(dropout(x, 0.25, "layer").values(), y.values()));
}

// Printed by torch 2.13.0: interpolate(x, size, mode="nearest") of 0, 1, 2, ...; floor(i from / to) is one more at each.
TEST_CASE("upsample_nearest: where a float32 scale rounds, the source is torch's", "[ops]") {
  struct Case {
    std::int64_t from, to, i, source;
  };
  for (const Case& c : {Case{2, 82, 41, 0}, {2, 94, 47, 0}, {3, 123, 82, 1}, {3, 141, 47, 0}}) {
    Tensor x = zeros({1, c.from, 1, 1});
    for (std::int64_t i = 0; i < c.from; ++i) x.mutable_values()[static_cast<std::size_t>(i)] = static_cast<float>(i);
    CHECK(upsample_nearest(x, c.to, 1).values()[static_cast<std::size_t>(c.i)] == static_cast<float>(c.source));
  }
}
