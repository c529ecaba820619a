// Numbers that are none must reach the loss, where a step is skipped for them: no operation may turn them into others.
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
