#include <cmath>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"
#include "support/instruction_sets.hpp"

using namespace eddy;

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
