// Rows of a table. The gradient of a row is the sum over the places that took it, in their order.
#include <algorithm>

#include "ops/support.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr Operation kEmbedding{"embedding",
                               [](Call& call) {
                                 call.keep_input(0);
                                 const Tensor indices = call.input(0), table = widened(call.input(1));
                                 const std::int64_t width = table.extent(1);
                                 const Shape& s = indices.shape();
                                 Tensor y = make(s.rank() == 1 ? Shape{s[0], width} : Shape{s[0], s[1], width},
                                                 call.context());
                                 float* out = write(y);
                                 for (const std::int64_t row : indices.integers()) {
                                   out = std::copy_n(data(table) + row * width, width, out);
                                 }
                                 return y;
                               },
                               [](Call& call, const Tensor& g, std::span<Tensor> result) {
                                 const std::int64_t width = call.input_shape(1)[1];
                                 result[1] = Tensor::zeros(call.input_shape(1), g.context());
                                 float* out = write(result[1]);
                                 const float* in = data(g);
                                 const Tensor indices = call.input(0);
                                 for (const std::int64_t row : indices.integers()) {
                                   for (std::int64_t c = 0; c < width; ++c) out[row * width + c] += *in++;
                                 }
                               }};

}  // namespace

Tensor embedding(const Tensor& indices, const Tensor& weight) {
  require(indices.defined() && indices.dtype() == DType::i64 && (indices.rank() == 1 || indices.rank() == 2), "embedding",
          [&] { return "indices must be i64 (N) or (N, L), got " + shape_of(indices); });
  require(weight.defined() && weight.rank() == 2 && weight.dtype() != DType::i64, "embedding",
          [&] { return "weight must be (K, C) of floating point, got " + shape_of(weight); });
  for (const std::int64_t row : indices.integers()) {
    require(row >= 0 && row < weight.extent(0), "embedding", [&] {
      return "index " + std::to_string(row) + " is not in [0, " + std::to_string(weight.extent(0)) + ")";
    });
  }
  return apply(kEmbedding, {indices, weight});
}

}  // namespace eddy::inline v0_1
