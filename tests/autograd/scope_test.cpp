#include "autograd/scope.hpp"

#include <thread>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

TEST_CASE("scope: NoGrad and EnableGrad nest, and leave what they found") {
  const Tensor x = Tensor::scalar(1).variable();
  const auto recorded = [&] { return square(x).requires_grad(); };
  CHECK(recorded());
  {
    const NoGrad off;
    CHECK(!recorded());
    CHECK(!grad_enabled());
    {
      const EnableGrad on;
      CHECK(recorded());
      {
        const NoGrad again;
        CHECK(!recorded());
      }
      CHECK(recorded());
    }
    CHECK(!recorded());
  }
  CHECK(recorded());
}

TEST_CASE("scope: a gradient inside a sampler's NoGrad, by EnableGrad") {
  const NoGrad sampler;
  const Tensor noisy = Tensor::full({3}, 2);
  const EnableGrad on;
  const Tensor x = noisy.variable();
  CHECK(gradients(sum(square(x)), {x})[0].values()[1] == 4);
}

TEST_CASE("scope: dropout is off, or keyed by the innermost scope") {
  const Tensor x = Tensor::full({4, 1000}, 1);
  const auto drop = [&] {
    const Tensor y = dropout(x, 0.5, "layer");
    return std::vector<float>(y.values().begin(), y.values().end());
  };
  CHECK(dropout_key() == nullptr);
  CHECK(drop() == std::vector<float>(4000, 1));
  {
    const DropoutScope outer({1, 2});
    const auto first = drop();
    CHECK(dropout_key()->micro_step == 2);
    {
      const DropoutScope inner({1, 3});
      CHECK(drop() != first);
    }
    CHECK(drop() == first);
  }
  CHECK(dropout_key() == nullptr);
}

TEST_CASE("scope: belongs to its thread", "[threads]") {
  const NoGrad off;
  const DropoutScope dropping({1, 2});
  const CancelToken token;
  const CancelScope cancelling(token);
  token.cancel();
  bool grad = false, drops = true, works = false;
  std::thread([&] {
    grad = grad_enabled();
    drops = dropout_key() != nullptr;
    works = square(Tensor::scalar(3)).item() == 9;
  }).join();
  CHECK(grad);
  CHECK(!drops);
  CHECK(works);
}
