// The hybrid loss against scripts/make_goldens_bound.py.
#include "eddy/error.hpp"
#include "eddy/ops.hpp"
#include "eddy/train.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace eddy;
using namespace eddy::test;

TEST_CASE("hybrid loss: values and gradients are those of the paper's formulas in float64") {
  const Golden golden("bound");
  const Tensor output = golden.tensor("output").variable();
  const Schedule schedule = cosine_schedule(1000);
  Draw draw;
  for (const std::int64_t t : golden.tensor("t").integers()) draw.levels.push_back(schedule.level(static_cast<int>(t)));
  const Network network = [&](const Tensor&, const Tensor&, const Condition&) { return output; };
  Batch batch;
  batch.x = golden.tensor("x0");
  batch.eps = golden.tensor("eps");
  for (const bool eight_bit : {true, false}) {
    const std::string kind = eight_bit ? "eight_bit" : "gaussian";
    INFO(kind);
    const Loss loss = objective(schedule, {.learned_range = true, .eight_bit = eight_bit});
    const Tensor values = loss(network, batch, draw), expected = golden.tensor(kind + ".loss");
    for (std::size_t i = 0; i < draw.levels.size(); ++i) {
      CHECK(static_cast<double>(values.values()[i]) == Approx(static_cast<double>(expected.values()[i])).epsilon(1e-5));
    }
    const Tensor gradient = gradients(sum(values), {output})[0];
    CHECK(relative_l2(gradient.values(), golden.tensor(kind + ".gradient").values()) < 1e-5);
  }
}
