// Numbers that are none must reach the loss, where a step is skipped for them: no operation may turn them into others.
#include <bit>
#include <cmath>
#include <limits>

#include "eddy/ops.hpp"
#include "support/catch.hpp"
#include "support/instruction_sets.hpp"

using namespace eddy;

namespace {
constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();
}

TEST_CASE("activations: a NaN stays one; exp reaches infinity and 0", "[ops]") {
  for (const Isa isa : test::instruction_sets()) {
    INFO(name(isa));
    const Context context(ContextOptions{.isa = isa, .threads = 1});
    const Tensor x = Tensor::from({kNan, 1.f, kNan}, {3}, context);
    for (const Activation kind : {Activation::silu, Activation::relu, Activation::gelu, Activation::gelu_tanh,
                                  Activation::quick_gelu, Activation::tanh, Activation::sigmoid, Activation::mish}) {
      const Tensor y = activate(x, kind);
      CHECK((std::isnan(y.values()[0]) && std::isfinite(y.values()[1]) && std::isnan(y.values()[2])));
    }
    const Tensor e = exp(Tensor::from({kNan, kInfinity, 100.f, -kInfinity, -200.f, 88.5f}, {6}, context));
    CHECK(std::isnan(e.values()[0]));
    CHECK((e.values()[1] == kInfinity && e.values()[2] == kInfinity));
    CHECK((e.values()[3] == 0 && e.values()[4] == 0));
    CHECK(static_cast<double>(e.values()[5]) == Approx(std::exp(88.5)).epsilon(1e-5));
  }
}

TEST_CASE("silu and sigmoid: far out, and a NaN of any bits", "[ops]") {
  const float odd[] = {std::bit_cast<float>(0x7fffffffu), std::bit_cast<float>(0xffc00001u)};
  for (const Isa isa : test::instruction_sets()) {
    INFO(name(isa));
    const Context context(ContextOptions{.isa = isa, .threads = 1});
    const Tensor x = Tensor::from({kInfinity, 1e30f, -1e30f, -kInfinity, odd[0], odd[1]}, {6}, context);
    const Tensor silu = activate(x, Activation::silu), sigmoid = activate(x, Activation::sigmoid);
    CHECK((silu.values()[0] == kInfinity && silu.values()[1] == 1e30f));
    CHECK((sigmoid.values()[0] == 1 && sigmoid.values()[1] == 1 && sigmoid.values()[2] < 1e-37f && sigmoid.values()[3] < 1e-37f));
    for (const Tensor& y : {silu, sigmoid}) CHECK((std::isnan(y.values()[4]) && std::isnan(y.values()[5])));
  }
}

TEST_CASE("group norm: a NaN shows in its group, with SiLU too", "[ops]") {
  for (const Isa isa : test::instruction_sets()) {
    INFO(name(isa));
    const Context context(ContextOptions{.isa = isa, .threads = 1});
    Tensor x = Tensor::full({2, 3, 3, 70}, 1, context);
    x.mutable_values()[5] = kNan;  // of the first sample's first group of 35 channels
    const Tensor y = group_norm(x, Tensor::full({70}, 1, context), Tensor::full({70}, 1, context),
                                {.groups = 2, .activation = Activation::silu});
    for (std::int64_t i = 0; i < y.elements(); ++i) {
      const bool touched = i < 9 * 70 && i % 70 < 35;
      if (std::isnan(y.values()[static_cast<std::size_t>(i)]) != touched) FAIL("element " << i);
    }
  }
}

TEST_CASE("conv2d: what is not finite stays in its picture, that of a bias in its channel", "[ops]") {
  const Conv2dOptions padded{.pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1};
  for (const Isa isa : test::instruction_sets()) {
    for (const float bad : {kNan, kInfinity}) {
      INFO(name(isa) << ", " << bad);
      const Context context(ContextOptions{.isa = isa, .threads = 1});
      const Tensor weight = Tensor::full({24, 20, 3, 3}, 1, context), clean = Tensor::full({2, 8, 8, 20}, 1, context);
      Tensor x = clean.clone(), bias = Tensor::full({24}, 1, context);
      x.mutable_values()[(3 * 8 + 3) * 20 + 7] = bad;
      const Tensor by_pixel = conv2d(x, weight, bias, padded);
      for (std::int64_t p = 0; p < 2 * 64; ++p) {
        const std::int64_t row = p % 64 / 8, column = p % 8;
        const float y = by_pixel.values()[static_cast<std::size_t>(p * 24 + 11)];
        if (p >= 64) CHECK(std::isfinite(y));
        if (p < 64 && row >= 2 && row <= 4 && column >= 2 && column <= 4) CHECK(!std::isfinite(y));
      }
      bias.mutable_values()[17] = bad;
      const Tensor by_bias = conv2d(clean, weight, bias, padded);
      for (std::int64_t i = 0; i < by_bias.elements(); ++i) {
        if (std::isfinite(by_bias.values()[static_cast<std::size_t>(i)]) == (i % 24 == 17)) FAIL("element " << i);
      }
    }
  }
}

TEST_CASE("attention: a NaN of a query or of a key shows in what it touches", "[ops]") {
  for (const Isa isa : test::instruction_sets()) {
    INFO(name(isa));
    const Context context(ContextOptions{.isa = isa, .threads = 1});
    const Tensor one = Tensor::full({1, 2, 3}, 1, context);
    const Tensor bad = Tensor::from({kNan, 1.f, 1.f, 1.f, 1.f, 1.f}, {1, 2, 3}, context);
    const Tensor by_query = attention(bad, one, one, {.heads = 1}), by_key = attention(one, bad, one, {.heads = 1});
    CHECK((std::isnan(by_query.values()[0]) && std::isfinite(by_query.values()[3])));
    CHECK((std::isnan(by_key.values()[0]) && std::isnan(by_key.values()[3])));
  }
}
