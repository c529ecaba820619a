// f16 and bf16 weights to f32.
#include <bit>
#include <cstring>

#include "ops/support.hpp"

namespace eddy::inline v0_1 {

namespace {

float from_half(std::uint16_t h) {
  const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000u) << 16, exponent = h >> 10 & 31, mantissa = h & 1023;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  const float tiny = static_cast<float>(mantissa) * 0x1p-24f;
  return sign != 0 ? -tiny : tiny;
}

}  // namespace

Tensor widened(const Tensor& weight) {
  if (weight.dtype() == DType::f32) return weight;
  Tensor result = make(weight.shape(), weight.context());
  float* out = write(result);
  const auto* in = static_cast<const std::uint16_t*>(weight.raw());
  for (std::int64_t i = 0; i < weight.elements(); ++i) {
    out[i] = weight.dtype() == DType::f16 ? from_half(in[i])
                                          : std::bit_cast<float>(static_cast<std::uint32_t>(in[i]) << 16);
  }
  return result;
}

}  // namespace eddy::inline v0_1
