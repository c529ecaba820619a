// Sums of gradients, element by element.
#include "autograd/accumulate.hpp"

#include <algorithm>

#include "tensor/storage.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr std::int64_t kTile = 1 << 15;  // elements a tile

struct Sum {
  const float* a;
  const float* b;
  float* out;
  std::int64_t n;
};

void run(const Context& context, Sum sum) {
  const auto tile = [](void* argument, std::int64_t index, int) {
    const Sum& s = *static_cast<const Sum*>(argument);
    const std::int64_t end = std::min(s.n, (index + 1) * kTile);
    for (std::int64_t i = index * kTile; i < end; ++i) s.out[i] = s.a[i] + s.b[i];
  };
  context.threads().run_tiles((sum.n + kTile - 1) / kTile, tile, &sum);
}

}  // namespace

void add_into(const Tensor& target, const Tensor& term) {
  float* out = Tensor::Access::write(target);
  run(target.context(), {out, term.values().data(), out, target.elements()});
}

void accumulate(Tensor& total, Tensor term) {
  if (!total.defined()) {
    total = std::move(term);
  } else if (Tensor::Access::storage(total).use_count() == 1) {
    add_into(total, term);
  } else {
    Tensor sum = Tensor::uninitialised(total.shape(), DType::f32, total.context());
    run(total.context(), {total.values().data(), term.values().data(), Tensor::Access::write(sum), sum.elements()});
    total = std::move(sum);
  }
}

}  // namespace eddy::inline v0_1
