#include <algorithm>
#include <vector>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

std::vector<float> list(const Tensor& x) { return {x.values().begin(), x.values().end()}; }

std::string numbered(int i) {
  std::string text = "w";
  return text += std::to_string(i);
}

const Initializer kOnes{Initializer::Kind::ones};

}  // namespace

TEST_CASE("parameters: dotted names in the order of declaration, and their number") {
  const ParameterTree tree;
  const ParameterTree block = tree.in("down_blocks.0").in("resnets.1");
  const Parameter first = block.add("conv1.weight", {8, 3, 3, 3}, kOnes);
  tree.add("bias", {5}, kOnes);
  block.add("conv1.bias", {8}, kOnes);
  CHECK(block.prefix() == "down_blocks.0.resnets.1.");
  CHECK(first.name() == "down_blocks.0.resnets.1.conv1.weight");
  CHECK(first.shape() == Shape{8, 3, 3, 3});
  std::vector<std::string> names;
  for (const Parameter& parameter : tree.parameters()) names.push_back(parameter.name());
  CHECK(names == std::vector<std::string>{first.name(), "bias", "down_blocks.0.resnets.1.conv1.bias"});
  CHECK(tree.elements() == 216 + 5 + 8);
  CHECK(block.elements() == tree.elements());
}

TEST_CASE("parameters: a name that exists, a tree that is allocated, and a value too early are Errors") {
  const ParameterTree tree;
  const Parameter w = tree.in("a").add("w", {2}, kOnes);
  CHECK_THROWS_WITH(tree.add("a.w", {2}, kOnes), Catch::Contains("a.w"));
  CHECK_THROWS_WITH(w.value(), Catch::Contains("a.w"));
  CHECK_THROWS_AS(w.write(), Error);
  tree.allocate();
  CHECK(list(w.value()) == std::vector<float>{0, 0});
  CHECK_THROWS_WITH(tree.in("b").add("w", {2}, kOnes), Catch::Contains("b.w"));
  CHECK_THROWS_AS(tree.allocate(), Error);
  const Parameter none;
  CHECK(!none.defined());
  CHECK_THROWS_WITH(none.name(), Catch::Contains("empty"));
  CHECK_THROWS_AS(none.shape(), Error);
  CHECK_THROWS_AS(none.value(), Error);
  CHECK_THROWS_AS(none.write(), Error);
  CHECK_THROWS_AS(none.version(), Error);
  CHECK_THROWS_AS(none.trainable(), Error);
  CHECK_THROWS_AS(none.set_trainable(false), Error);
  CHECK(w.defined());
}

TEST_CASE("parameters: more elements than can be counted are an Error") {
  const ParameterTree tree;
  constexpr std::int64_t many = std::int64_t{1} << 61;
  CHECK_THROWS_WITH(tree.add("one", {many, 2}, kOnes), Catch::Contains("one"));
  for (int i = 0; i < 8; ++i) {
    try {
      tree.add(numbered(i), {many}, kOnes);
    } catch (const Error&) {
    }
  }
  CHECK(tree.elements() <= many);
  ContextOptions options;
  options.memory_limit = 1 << 20;
  const ParameterTree large;
  large.add("w", {1 << 20}, kOnes);
  CHECK_THROWS_WITH(large.allocate(Context(options)), Catch::Contains("limit"));
  CHECK(!large.allocated());
}

TEST_CASE("parameters: lie in one block, each at a multiple of 64 bytes, in the asked-for Context") {
  ContextOptions options;
  options.threads = 1;
  const Context context(options);
  const ParameterTree tree;
  for (int i = 1; i < 20; ++i) tree.add(numbered(i), {i}, kOnes);
  tree.allocate(context);
  CHECK(context.memory().system_calls == 1);
  const float* previous = nullptr;
  for (const Parameter& parameter : tree.parameters()) {
    const float* const place = parameter.value().values().data();
    CHECK(reinterpret_cast<std::uintptr_t>(place) % 64 == 0);
    CHECK(place > previous);
    previous = place;
  }
  CHECK(tree.parameters()[0].value().context() == context);
}

TEST_CASE("parameters: copies of a handle see the same value, every write raises the version") {
  const ParameterTree tree;
  const Parameter w = tree.add("w", {3}, kOnes);
  const ParameterTree copy = tree;
  copy.allocate();
  CHECK(tree.allocated());
  const Parameter other = copy.parameters()[0];
  const Tensor before = w.value();
  const std::uint64_t version = w.version();
  other.write()[1] = 4;
  CHECK(list(w.value()) == std::vector<float>{0, 4, 0});
  CHECK(list(before) == std::vector<float>{0, 4, 0});
  CHECK(w.version() > version);
}

TEST_CASE("parameters: values go over from a tree of the same names and shapes, and are then their own") {
  const auto make = [](const std::string& name, const Shape& shape) {
    const ParameterTree tree;
    tree.add("a", {2}, kOnes);
    tree.add(name, shape, {Initializer::Kind::normal, 1});
    tree.allocate();
    tree.initialise(5);
    return tree;
  };
  const ParameterTree source = make("w", {2, 3}), target = make("w", {2, 3});
  source.parameters()[1].write()[4] = 42;
  const std::uint64_t version = target.parameters()[1].version();
  target.copy_from(source);
  CHECK(list(target.parameters()[1].value()) == list(source.parameters()[1].value()));
  CHECK(target.parameters()[1].version() > version);
  source.parameters()[1].write()[4] = 0;
  CHECK(target.parameters()[1].value().values()[4] == 42);
  CHECK_THROWS_WITH(target.copy_from(make("v", {2, 3})), Catch::Contains("needs w (2, 3), got v (2, 3)"));
  CHECK_THROWS_WITH(target.copy_from(make("w", {3, 2})), Catch::Contains("needs w (2, 3), got w (3, 2)"));
}

TEST_CASE("parameters: a frozen one gets no gradient and records nothing") {
  ContextOptions options;
  options.threads = 1;
  const Context context(options);
  const ParameterTree tree;
  const Linear first(tree.in("first"), 200, 200), last(tree.in("last"), 200, 200);
  first.bias.set_trainable(false);  // also before there are values
  tree.allocate(context);
  tree.initialise(1);
  first.weight.set_trainable(false);
  CHECK(!first.weight.trainable());
  CHECK(!first.bias.value().requires_grad());
  CHECK(last.weight.value().requires_grad());

  const Tensor x = Tensor::full({500, 200}, 1, context);
  const Tensor h = first(x);
  CHECK(!h.requires_grad());
  const auto g = gradients(sum(last(h)), {first.weight.value(), last.weight.value()});
  CHECK(list(g[0]) == std::vector<float>(40000));
  CHECK(list(g[1]) != std::vector<float>(40000));

  for (const Parameter& parameter : {last.weight, last.bias}) parameter.set_trainable(false);
  const std::size_t before = context.memory().in_use;
  const Tensor y = last(first(x));
  CHECK(!y.requires_grad());
  CHECK(context.memory().in_use <= before + y.values().size_bytes() * 9 / 8);
  CHECK_THROWS_AS(gradients(sum(y), {last.weight.value()}), Error);

  last.weight.set_trainable(true);
  CHECK(last(first(x)).requires_grad());
}

TEST_CASE("parameters: a frozen layer hands on the gradient of its input") {
  const ParameterTree tree;
  const Linear layer(tree, 2, 2, {.bias = false});
  tree.allocate();
  layer.weight.set_trainable(false);
  std::ranges::copy(std::vector<float>{1, 2, 3, 4}, layer.weight.write().begin());
  const Tensor x = Tensor::full({1, 2}, 1).variable();
  CHECK(list(gradients(sum(layer(x)), {x})[0]) == std::vector<float>{4, 6});
}

TEST_CASE("parameters: a value may be written while others share it; its views and what they make may not") {
  const ParameterTree tree;
  const Linear layer(tree, 2, 2, {.bias = false});
  tree.allocate();
  const Tensor x = Tensor::full({1, 2}, 1);
  const NoGrad off;
  CHECK(list(layer(x)) == std::vector<float>{0, 0});  // its packed form is kept from here on
  const Tensor& value = layer.weight.value();
  for (Tensor view : {value.detached(), value.rows(0, 1), value.viewed({4}), reshape(value, {4}), value.variable()}) {
    CHECK_THROWS_WITH(view.mutable_values(), Catch::Contains("clone()"));
  }
  const std::uint64_t version = layer.weight.version();
  Tensor handle = value;
  handle.mutable_values()[0] = 100;
  CHECK(layer.weight.version() > version);
  CHECK(list(layer(x)) == std::vector<float>{100, 0});
}
