// Packing weights and calling the product kernels.
#include "ops/matrix.hpp"

#include "autograd/node.hpp"

namespace eddy::inline v0_1 {

Tensor packed_transposed(const Tensor& weight) {
  const auto pack = [&] {
    const Context& context = weight.context();
    const auto& kernels = context.kernels().linear;
    const Tensor wide = widened(weight);
    const std::int64_t out = weight.extent(0), in = weight.elements() / out;
    Tensor packed = make({kernels.packed_size(in, out)}, context);
    kernels.pack_transposed(launch_of(context), out, in, data(wide), in, write(packed));
    return packed;
  };
  return derived(weight, kPackedTransposed, pack);
}

void rows_times_weight(const Tensor& g, std::int64_t rows, const Tensor& weight, std::int64_t first, std::int64_t in,
                       const Tensor& onto, const Tensor& dx) {
  const Context& context = g.context();
  const auto& kernels = context.kernels().linear;
  const Tensor wide = widened(weight);
  const std::int64_t out = weight.extent(0), ld = weight.elements() / out;
  const PoolBlock packed(context, bytes(kernels.packed_size(out, in)));
  kernels.pack(launch_of(context), out, in, data(wide) + first, ld, packed.floats());
  const LinearShape shape{rows, out, 0, in};
  const PoolBlock scratch(context, bytes(kernels.forward_scratch(shape, context.slots())));
  kernels.forward(launch_of(context), shape, data(g), nullptr, packed.floats(), nullptr, nullptr, 0, data(onto), write(dx),
                  scratch.floats());
}

void weight_gradient(const Tensor& x, std::int64_t in, const Tensor& g, std::int64_t rows, const Tensor& dw,
                     std::int64_t first) {
  const Context& context = g.context();
  const auto& kernels = context.kernels().linear;
  const std::int64_t out = dw.extent(0), ld = dw.elements() / out;
  const std::int64_t floats = kernels.backward_weight_scratch(rows, in, out, context.slots());
  const PoolBlock scratch(context, bytes(floats));
  kernels.backward_weight(launch_of(context), rows, in, out, data(x), data(g), write(dw) + first, ld, scratch.floats());
}

Tensor group_sums(const Tensor& g, std::int64_t groups, std::int64_t rows, std::int64_t out) {
  Tensor sums = make({groups, out}, g.context());
  g.context().kernels().linear.column_sums(launch_of(g.context()), groups, rows, out, data(g), write(sums));
  return sums;
}

Tensor bias_gradient(const Tensor& g, std::int64_t rows, std::int64_t out) {
  return group_sums(g, 1, rows, out).viewed({out});
}

}  // namespace eddy::inline v0_1
