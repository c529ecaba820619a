// Group norm, shared out by samples or, where there are few, by channels and pixels.
#include <algorithm>

#include "eddy/autograd.hpp"
#include "eddy/ops.hpp"
#include "eddy/random.hpp"
#include "support/catch.hpp"
#include "support/instruction_sets.hpp"

using namespace eddy;

namespace {

struct Result {
  Tensor y, dx;
};

// Of the first n samples.
Result run(std::int64_t n, Isa isa, int threads) {
  const Context context(ContextOptions{.isa = isa, .threads = threads});
  const auto normals = [&](const Shape& shape, std::uint64_t seed) {
    return philox_noise(seed).normal(shape, kInitialNoise, context);
  };
  const Tensor x = normals({9, 18, 17, 100}, 1).rows(0, n).clone().variable(), seed = normals({9, 18, 17, 100}, 2).rows(0, n);
  const GroupNormOptions options{.groups = 20, .activation = Activation::silu};
  const Tensor y = group_norm(x, normals({100}, 3), normals({100}, 4), options);
  return {y, gradients(y, {x}, seed)[0]};
}

bool same_rows(const Tensor& few, const Tensor& all) {
  return std::ranges::equal(few.values(), all.rows(0, few.extent(0)).values());
}

}  // namespace

TEST_CASE("group_norm: a sample has the same bytes in any batch and on any number of threads", "[ops][kernels]") {
  for (const Isa isa : test::instruction_sets()) {
    CAPTURE(name(isa));
    const Result all = run(9, isa, 2);
    for (const std::int64_t n : {1, 3, 9}) {
      for (const int threads : {1, 3}) {
        CAPTURE(n, threads);
        const Result some = run(n, isa, threads);
        CHECK(same_rows(some.y, all.y));
        CHECK(same_rows(some.dx, all.dx));
      }
    }
  }
}
