// exp and what is made of it, against double, in units of 2^-24 of the value: a coefficient that is off shows here.
#include <algorithm>
#include <cmath>
#include <vector>

#include "eddy/ops.hpp"
#include "support/catch.hpp"
#include "support/instruction_sets.hpp"

using namespace eddy;

TEST_CASE("sigmoid and silu are some units exact", "[ops][kernels]") {
  constexpr std::int64_t kCount = 20001;
  for (const Isa isa : test::instruction_sets()) {
    INFO(name(isa));
    const Context context(ContextOptions{.isa = isa, .threads = 1});
    std::vector<float> values(kCount);
    for (std::int64_t i = 0; i < kCount; ++i) values[static_cast<std::size_t>(i)] = -20 + 0.002f * static_cast<float>(i);
    const Tensor x = Tensor::from(values, {kCount}, context);
    const Tensor sigmoid = activate(x, Activation::sigmoid), silu = activate(x, Activation::silu);
    double worst_sigmoid = 0, worst_silu = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double v = values[i], exact = 1 / (1 + std::exp(-v));
      worst_sigmoid = std::max(worst_sigmoid, std::abs(sigmoid.values()[i] / exact - 1) * 0x1p24);
      if (v != 0) worst_silu = std::max(worst_silu, std::abs(silu.values()[i] / (v * exact) - 1) * 0x1p24);
    }
    CHECK(worst_sigmoid < 3);  // measured: 2.32
    CHECK(worst_silu < 3);     // measured: 2.34
  }
}
