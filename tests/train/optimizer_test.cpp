#include <cmath>

#include "eddy/eddy.hpp"
#include "pipeline/unet_config.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"
#include "support/instruction_sets.hpp"

using namespace eddy;
using eddy::test::Golden;

namespace {

struct Distance {
  double difference = 0, size = 0;
  void add(std::span<const float> a, std::span<const float> b) {
    for (std::size_t i = 0; i < b.size(); ++i) {
      difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
      size += std::pow(static_cast<double>(b[i]), 2);
    }
  }
  double relative() const { return std::sqrt(difference / size); }
};

}  // namespace

TEST_CASE("optimizer: ten AdamW steps with average end where PyTorch ends") {
  const Golden golden("train");
  for (const Isa isa : test::instruction_sets()) {
    INFO(name(isa));
    const Context context(ContextOptions{.isa = isa, .threads = 2});
    const Json json = parse_json(golden.file().metadata().at("config"), "golden");
    const UNet unet(unet_config_from_json(json, "golden"), {.initialise = false, .context = context});
    for (const Parameter& p : unet.parameters()) {
      std::ranges::copy(golden.tensor("weight." + p.name()).values(), p.write().begin());
    }
    const Optimizer optimizer(unet.parameters(), {.weight_decay = 1e-2});
    const Schedule schedule = Schedule::diffusers(diffusers_betas("linear", 1000, 1e-4, 0.02), false);
    const Loss loss = objective(schedule);
    const Tensor x = golden.tensor("x", context), eps = golden.tensor("noise", context), t = golden.tensor("t");
    for (std::int64_t i = 0; i < 10; ++i) {
      const auto part = [&](const Tensor& all) { return all.rows(i, 1).viewed({4, 8, 8, 1}); };
      Draw draw{.total = 4};
      for (std::int64_t k = 0; k < 4; ++k) draw.levels.push_back(schedule.level(static_cast<int>(t.integers()[static_cast<std::size_t>(4 * i + k)])));
      const Tensor value = mean(loss(unet, {.x = part(x), .eps = part(eps)}, draw));
      const double expected = static_cast<double>(golden.tensor("losses").values()[static_cast<std::size_t>(i)]);
      CHECK(static_cast<double>(value.item()) == Approx(expected).epsilon(1e-4));
      const Tensor gradients = optimizer.gradients(value);
      const double norm = optimizer.norm(gradients);
      CHECK(norm == Approx(static_cast<double>(golden.tensor("norms").values()[static_cast<std::size_t>(i)])).epsilon(1e-4));
      optimizer.step(gradients, 1e-3, std::min(1.0, 1 / (norm + 1e-6)), ema_decay(0.999, optimizer.applied() + 1));
    }
    Distance weights, average;
    for (std::size_t i = 0; i < optimizer.parameters().size(); ++i) {
      const Parameter& p = optimizer.parameters()[i];
      // Its gradient is zero in exact arithmetic: rounding, which Adam turns into whole steps.
      if (p.name().ends_with("to_k.bias")) continue;
      weights.add(p.value().values(), golden.tensor("final." + p.name()).values());
      average.add(optimizer.part(optimizer.average(), i).values(), golden.tensor("average." + p.name()).values());
    }
    CHECK(weights.relative() < 1e-4);
    CHECK(average.relative() < 1e-4);
  }
}

TEST_CASE("optimizer: frozen parameters stay, the others move, and the average can be exchanged") {
  const ParameterTree tree;
  const Parameter a = tree.add("a", {3}, {Initializer::Kind::ones}), b = tree.add("b", {40}, {Initializer::Kind::ones}),
                  c = tree.add("c", {5}, {Initializer::Kind::ones});
  tree.allocate();
  tree.initialise(0);
  b.set_trainable(false);
  const Optimizer optimizer(tree.parameters());
  REQUIRE(optimizer.parameters().size() == 2);
  const Tensor gradients = optimizer.gradients(sum(square(a.value())) + sum(c.value()));
  CHECK(optimizer.part(gradients, 0).values()[2] == 2);
  CHECK(optimizer.part(gradients, 1).values()[4] == 1);
  CHECK(optimizer.norm(gradients) == Approx(std::sqrt(3 * 4 + 5)));
  optimizer.step(gradients, 0.5, 1, 0.75);
  CHECK(static_cast<double>(a.value().values()[0]) == Approx(0.5));  // Adam's first step has the length of the rate
  CHECK(static_cast<double>(c.value().values()[0]) == Approx(0.5));
  CHECK(b.value().values()[39] == 1);
  optimizer.swap_average();
  CHECK(static_cast<double>(a.value().values()[0]) == Approx(0.875));
  optimizer.swap_average();
  CHECK(static_cast<double>(a.value().values()[0]) == Approx(0.5));
}

TEST_CASE("optimizer: parameters of different Contexts are refused, those of several trees are not") {
  const Context mine(ContextOptions{.threads = 1});
  const ParameterTree a, b, c;
  const Parameter x = a.add("x", {3}, {Initializer::Kind::ones}), y = b.add("y", {16}, {Initializer::Kind::ones}),
                  z = c.add("z", {3}, {Initializer::Kind::ones});
  a.allocate(mine);
  b.allocate(mine);
  c.allocate(Context(ContextOptions{.threads = 1}));
  b.initialise(0);
  const Parameter apart[] = {x, z}, together[] = {x, y};
  CHECK_THROWS_WITH(Optimizer(apart), Catch::Contains("z and x belong to different Contexts"));
  const Optimizer optimizer(together);
  optimizer.step(optimizer.gradients(sum(y.value()) + sum(x.value())), 0.5);
  CHECK(static_cast<double>(x.value().values()[2]) == Approx(-0.5));
  CHECK(static_cast<double>(y.value().values()[15]) == Approx(0.5));
}

TEST_CASE("optimizer: rate and decay of a parameter are multiplied by its factors") {
  const ParameterTree tree;
  for (const char* name : {"a", "b", "c", "d"}) tree.add(name, {16}, {Initializer::Kind::ones});  // all side by side
  tree.allocate();
  tree.initialise(0);
  OptimizerOptions options{.weight_decay = 0.5};
  options.factors = [](const Parameter& p) -> ParameterFactors {
    if (p.name() == "b") return {.rate = 0.5};
    if (p.name() == "c") return {.decay = 0};
    return p.name() == "d" ? ParameterFactors{.rate = 0} : ParameterFactors{};
  };
  const Optimizer optimizer(tree.parameters(), options);
  Tensor loss = sum(tree.parameters()[0].value());
  for (std::size_t i = 1; i < 4; ++i) loss = loss + sum(tree.parameters()[i].value());
  optimizer.step(optimizer.gradients(loss), 0.1, 1, 0.25);
  const double expected[] = {1 - 0.05 - 0.1, 1 - 0.025 - 0.05, 1 - 0.1, 1};  // Adam's first step has the length of the rate
  for (std::size_t i = 0; i < 4; ++i) {
    for (const std::size_t k : {std::size_t{0}, std::size_t{15}}) {
      CHECK(static_cast<double>(tree.parameters()[i].value().values()[k]) == Approx(expected[i]));
      CHECK(static_cast<double>(optimizer.part(optimizer.average(), i).values()[k]) == Approx(1 + 0.75 * (expected[i] - 1)));
    }
  }
  options.factors = [](const Parameter&) -> ParameterFactors { return {.rate = -1}; };
  CHECK_THROWS_WITH(Optimizer(tree.parameters(), options), Catch::Contains("factors of a"));
}

TEST_CASE("optimizer: one minus a decay near 1 keeps its digits, in the moments and in the average") {
  for (const Isa isa : test::instruction_sets()) {
    INFO(name(isa));
    const ParameterTree tree;
    const Parameter a = tree.add("a", {5}, {Initializer::Kind::ones});
    tree.allocate(Context(ContextOptions{.isa = isa, .threads = 1}));
    tree.initialise(0);
    const Optimizer optimizer(tree.parameters(), {.beta1 = 0.99, .beta2 = 0.9999});
    optimizer.step(optimizer.gradients(sum(a.value())), 0, 1, 0);
    CHECK(static_cast<double>(optimizer.part(optimizer.first_moment(), 0).values()[4]) == Approx(1e-2).epsilon(1e-7));
    CHECK(static_cast<double>(optimizer.part(optimizer.second_moment(), 0).values()[4]) == Approx(1e-4).epsilon(1e-7));
    a.write()[4] = 10001;
    optimizer.update_average(0.9999);
    CHECK(static_cast<double>(optimizer.part(optimizer.average(), 0).values()[4]) == Approx(2).epsilon(1e-7));
  }
}

TEST_CASE("ema_decay: warms up") {
  CHECK(ema_decay(0.9999, 1) == Approx(2.0 / 11));
  CHECK(ema_decay(0.9999, 1000000) == 0.9999);
}
