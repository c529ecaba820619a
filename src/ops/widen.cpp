// f16 and bf16 weights to f32.
#include "base/half.hpp"
#include "ops/support.hpp"

namespace eddy::inline v0_1 {

Tensor widened(const Tensor& weight) {
  if (weight.dtype() == DType::f32) return weight;
  Tensor result = make(weight.shape(), weight.context());
  float* out = write(result);
  const auto* in = static_cast<const std::uint16_t*>(weight.raw());
  for (std::int64_t i = 0; i < weight.elements(); ++i) {
    out[i] = weight.dtype() == DType::f16 ? float_from_half(in[i]) : float_from_bfloat(in[i]);
  }
  return result;
}

}  // namespace eddy::inline v0_1
