#include "tensor/storage.hpp"

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

TEST_CASE("storage: a block goes back to the pool with the last handle, foreign memory never does") {
  const Context context{ContextOptions{.threads = 1}};
  std::vector<float> memory(1000);
  const Tensor foreign = Tensor::borrow(memory.data(), {1000}, {}, DType::f32, context);
  CHECK(context.memory().in_use == 0);
  Tensor row;
  {
    const Tensor x = Tensor::zeros({10, 1000}, context);
    row = x.rows(9, 1);
    CHECK(context.memory().in_use >= 40000);
  }
  CHECK(context.memory().in_use >= 40000);  // a row holds the whole
  row = {};
  CHECK(context.memory().in_use == 0);
}
