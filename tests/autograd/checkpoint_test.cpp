#include <stdexcept>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

std::vector<float> list(const Tensor& x) { return {x.values().begin(), x.values().end()}; }

using Function = std::function<Tensor(std::span<const Tensor>)>;

Tensor run(bool checkpointed, const Function& f, std::vector<Tensor> inputs) {
  return checkpointed ? checkpoint(f, inputs) : f(inputs);
}

// Two convolutions with a norm and dropout between.
struct Block {
  ParameterTree tree;
  Conv2d first{tree.in("first"), 4, 8}, last{tree.in("last"), 8, 4};
  GroupNorm norm{tree.in("norm"), 8, {.groups = 2, .activation = Activation::silu}};
  explicit Block(const Context& context = {}) {
    tree.allocate(context);
    tree.initialise(3);
  }
  Function function() const {
    return [*this](std::span<const Tensor> in) {
      return last(dropout(norm(first(in[0])), 0.3, "block.dropout"), {}, in[0]);
    };
  }
};

std::vector<std::vector<float>> all_gradients(const Tensor& root, const Tensor& x, const ParameterTree& tree) {
  std::vector<Tensor> leaves{x};
  for (const Parameter& parameter : tree.parameters()) leaves.push_back(parameter.value());
  std::vector<std::vector<float>> result;
  for (const Tensor& gradient : gradients(root, leaves)) result.push_back(list(gradient));
  return result;
}

}  // namespace

TEST_CASE("checkpoint: the same gradients bit for bit, of inputs and of parameters it uses, with dropout inside") {
  const Block block;
  const Tensor x = philox_noise(0).normal({2, 6, 6, 4}, kInitialNoise).variable();
  const auto results = [&](bool checkpointed) {
    Tensor root;
    {
      const DropoutScope scope({7, 11});
      root = sum(square(run(checkpointed, block.function(), {affine(x, 0.5)})));
    }
    const DropoutScope another({8, 12});  // backward repeats what forward dropped
    return all_gradients(root, x, block.tree);
  };
  const auto plain = results(false);
  CHECK(results(true) == plain);
  for (const auto& gradient : plain) {
    CHECK(std::ranges::any_of(gradient, [](float v) { return v != 0; }));
  }
}

TEST_CASE("checkpoint: parameters get gradients when no input wants one") {
  const Block block;
  const Tensor x = philox_noise(0).normal({2, 6, 6, 4}, kInitialNoise);
  const auto results = [&](bool checkpointed) {
    const auto g = gradients(sum(square(run(checkpointed, block.function(), {x}))), {block.first.weight.value()});
    return list(g[0]);
  };
  CHECK(results(true) == results(false));
}

TEST_CASE("checkpoint: the block runs once forward and once more backward, and holds less in between") {
  ContextOptions options;
  options.threads = 1;
  const auto held = [&](bool checkpointed) {
    const Context context(options);
    const Block block(context);
    const Tensor x = philox_noise(0).normal({8, 16, 16, 4}, kInitialNoise, context).variable();
    int runs = 0;
    const Function counted = [&, f = block.function()](std::span<const Tensor> in) { return ++runs, f(in); };
    const std::size_t before = context.memory().in_use;
    Tensor root = sum(run(checkpointed, counted, {x}));
    const std::size_t result = context.memory().in_use - before;
    CHECK(runs == 1);
    gradients(root, {x});
    CHECK(runs == (checkpointed ? 2 : 1));
    root = {};
    CHECK(context.memory().in_use == before);
    return result;
  };
  CHECK(4 * held(true) < held(false));
}

TEST_CASE("checkpoint: one inside another, and one after another") {
  const Block a, b;
  const Tensor x = philox_noise(0).normal({2, 6, 6, 4}, kInitialNoise).variable();
  const auto results = [&](bool checkpointed) {
    const Function inner = [&, f = b.function()](std::span<const Tensor> in) {
      return run(checkpointed, f, {square(in[0])}) + in[0];
    };
    const Function outer = [&, f = a.function()](std::span<const Tensor> in) {
      return run(checkpointed, inner, {f(in)});
    };
    Tensor y = x;
    for (int i = 0; i < 3; ++i) y = run(checkpointed, outer, {y});
    auto result = all_gradients(mean(square(y)), x, a.tree);
    return result;
  };
  CHECK(results(true) == results(false));
}

TEST_CASE("checkpoint: gradients of some leaves alone, with branches inside that lead to none of them") {
  const ParameterTree tree;
  const Linear layer(tree, 3, 3);
  tree.allocate();
  tree.initialise(1);
  const Tensor x = philox_noise(0).normal({4, 3}, kInitialNoise).variable();
  const auto result = [&](bool checkpointed) {
    Tensor y = x;
    for (int i = 0; i < 30; ++i) {
      const Function f = [&](std::span<const Tensor> in) {
        const Tensor aside = layer(square(layer(Tensor::full({4, 3}, 0.1f))));  // of the weights, not of x
        return affine(in[0], 0.9) + affine(square(in[0]) * aside, 0.1);
      };
      y = run(checkpointed, f, {y});
    }
    return list(gradients(sum(y), {x})[0]);
  };
  const auto plain = result(false);
  for (int i = 0; i < 5; ++i) CHECK(result(true) == plain);
}

TEST_CASE("checkpoint: a recorded tensor that the block captures gets its gradient, or the tape says no") {
  const Tensor x = Tensor::full({2}, 3).variable(), a = Tensor::full({2}, 1);
  const auto result = [&](bool outside_first, bool outside_last) {
    const Tensor h = square(x);
    const Function f = [&](std::span<const Tensor> in) { return in[0] * h; };
    Tensor y = sum(run(true, f, {a}));
    if (outside_first) y = sum(affine(h, 10)) + y;
    if (outside_last) y = y + sum(affine(h, 10));
    return list(gradients(y, {x})[0]);
  };
  CHECK(result(false, false) == std::vector<float>{6, 6});
  for (const bool first : {true, false}) {
    try {
      const auto g = result(first, !first);
      CHECK(g == std::vector<float>{66, 66});
    } catch (const Error& error) {
      CHECK_THAT(error.what(), Catch::Contains("used up"));
    }
  }
}

TEST_CASE("checkpoint: several inputs, of which some are labels, absent or not wanted") {
  const Tensor table = philox_noise(0).normal({5, 3}, kInitialNoise).variable();
  const Tensor x = philox_noise(1).normal({2, 3}, kInitialNoise).variable(), constant = Tensor::full({2, 3}, 2);
  const Tensor labels = Tensor::from({std::int64_t{4}, std::int64_t{1}}, {2});
  const Function f = [](std::span<const Tensor> in) {
    CHECK(!in[1].defined());
    return embedding(in[0], in[2]) * in[3] * in[4];
  };
  const auto result = [&](bool checkpointed) {
    const auto g = gradients(sum(run(checkpointed, f, {labels, {}, table, x, constant})), {table, x});
    return std::pair{list(g[0]), list(g[1])};
  };
  CHECK(result(true) == result(false));
  const Function first = [&](std::span<const Tensor> in) { return embedding(in[0], table); };
  CHECK_THROWS_WITH(run(true, first, {labels}), Catch::Contains("f32"));
}

TEST_CASE("checkpoint: a block whose output depends on nothing gives zeros") {
  const Tensor x = Tensor::full({2}, 1).variable();
  const Function f = [](std::span<const Tensor>) { return Tensor::full({2}, 5); };
  CHECK(list(gradients(sum(run(true, f, {x}) + x), {x})[0]) == std::vector<float>{1, 1});
}

TEST_CASE("checkpoint: a block that hands its input on") {
  const Tensor x = Tensor::full({2}, 1).variable();
  const Function f = [](std::span<const Tensor> in) { return in[0]; };
  CHECK(list(gradients(sum(run(true, f, {affine(x, 3)})), {x})[0]) == std::vector<float>{3, 3});
}

TEST_CASE("checkpoint: nothing is recorded under NoGrad, and exceptions of the block pass") {
  const Tensor x = Tensor::full({2}, 1).variable();
  const Function f = [](std::span<const Tensor> in) { return square(in[0]); };
  {
    const NoGrad off;
    CHECK(!run(true, f, {x}).requires_grad());
  }
  const Function broken = [](std::span<const Tensor>) -> Tensor { throw std::out_of_range("block"); };
  CHECK_THROWS_AS(run(true, broken, {x}), std::out_of_range);
  CHECK(grad_enabled());
}
