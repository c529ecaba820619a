#include "base/files.hpp"
#include "eddy/eddy.hpp"
#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace eddy;
using eddy::test::Temporary;

namespace {

struct Toy {
  ParameterTree tree;
  Parameter w, frozen;
  Optimizer optimizer;
  TrainState state;
  explicit Toy(std::int64_t width = 3, const OptimizerOptions& options = {.weight_decay = 0.1})
      : w(tree.add("w", {2, width}, {Initializer::Kind::normal, 1})), frozen(tree.add("frozen", {5}, {})),
        optimizer(allocated(), options) {}
  const std::vector<Parameter>& allocated() {
    tree.allocate();
    tree.initialise(4);
    frozen.set_trainable(false);
    return tree.parameters();
  }
  void steps(int n) {
    for (int i = 0; i < n; ++i, ++state.step) {
      const Tensor x = philox_noise(1).normal({4, 3}, {kUser, static_cast<std::uint64_t>(state.step)});
      optimizer.step(optimizer.gradients(mean(square(linear(x, w.value())))), 0.01, 1, 0.5);
    }
  }
};

bool same(const Tensor& a, const Tensor& b) { return std::ranges::equal(a.values(), b.values()); }

}  // namespace

TEST_CASE("checkpoint: a loop of one's own goes on from it with the same bytes") {
  const Temporary folder;
  Toy whole, before, after;
  whole.steps(9);
  before.steps(4);
  before.state.skipped = 2;
  before.state.seconds = 1.5;
  save_checkpoint(folder / "c", before.optimizer, before.state);
  after.steps(1);  // what is there is replaced
  after.state = load_checkpoint(folder / "c", after.optimizer);
  CHECK(after.state.step == 4);
  CHECK(after.state.skipped == 2);
  CHECK(after.state.seconds == 1.5);
  CHECK(after.optimizer.applied() == 4);
  after.steps(5);
  CHECK(same(after.w.value(), whole.w.value()));
  CHECK(same(after.optimizer.average(), whole.optimizer.average()));
  CHECK(same(after.optimizer.second_moment(), whole.optimizer.second_moment()));
}

TEST_CASE("checkpoint: one of other parameters is refused by name, and nothing is written") {
  const Temporary folder;
  Toy other(7), toy;
  save_checkpoint(folder / "c", other.optimizer, {});
  const Tensor w = toy.w.value().clone();
  CHECK_THROWS_WITH(load_checkpoint(folder / "c", toy.optimizer), Catch::Contains("model.w") && Catch::Contains("(2, 3)"));
  CHECK(same(toy.w.value(), w));
  Toy plain(3, {.ema = false});
  save_checkpoint(folder / "c", plain.optimizer, {});
  CHECK_THROWS_WITH(load_checkpoint(folder / "c", toy.optimizer), Catch::Contains("ema.w"));
  CHECK_NOTHROW(load_checkpoint(folder / "c", plain.optimizer));
  CHECK_THROWS_WITH(load_checkpoint(folder / "none", toy.optimizer), Catch::Contains("state.json"));
  CHECK(list_directory(folder / "") == std::vector<std::string>{"c"});
}

TEST_CASE("checkpoint: a layer computes with the weights that were read, not with what it derived from the old ones") {
  const Temporary folder;
  const Toy toy;
  const Tensor x = Tensor::full({1, 3}, 1);
  const NoGrad no_grad;
  const Tensor expected = linear(x, toy.w.value());
  save_checkpoint(folder / "c", toy.optimizer, {});
  for (float& value : toy.w.write()) value = 0;
  CHECK(linear(x, toy.w.value()).values()[0] == 0);
  load_checkpoint(folder / "c", toy.optimizer);
  CHECK(same(linear(x, toy.w.value()), expected));
}
