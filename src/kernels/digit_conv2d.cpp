// Convolutions with products of digits; those that gain nothing by them are AVX-512's.
#include "kernels/conv2d.hpp"

#include "kernels/digit_winograd.hpp"

namespace eddy::inline v0_1 {
namespace avx512 {
extern const ConvKernels conv_kernels;
}
namespace EDDY_ISA {
namespace {

constexpr const ConvKernels& kOthers = avx512::conv_kernels;

// By the shape of one sample and its channels alone. A picture of few tiles gains less than making digits of U costs.
bool by_digits(const ConvShape& s) {
  constexpr std::int64_t kLeastChannels = 48, kLeastTiles = 16;
  static_assert(kMostChannels <= kMostInner);
  return use_winograd(s) && lower(s.in, s.out) >= kLeastChannels &&
         ceil_div(s.out_height, 4) * ceil_div(s.out_width, 4) >= kLeastTiles;
}
bool data_by_digits(const ConvShape& s) { return has_transposed(s) && by_digits(transposed(s)); }

int forward_algorithm(const ConvShape& s) { return by_digits(s) ? 2 : kOthers.forward_algorithm(s); }

std::int64_t forward_packed(const ConvShape& s) { return by_digits(s) ? digit_packed(s) : kOthers.forward_packed(s); }
std::int64_t forward_scratch(const ConvShape& s, int slots) {
  return by_digits(s) ? digit_scratch(s, slots) : kOthers.forward_scratch(s, slots);
}
void pack_forward(const Launch& launch, const ConvShape& s, const float* weight, float* packed) {
  if (!by_digits(s)) return kOthers.pack_forward(launch, s, weight, packed);
  digit_pack(launch, s, {weight, s.out, s.in, false}, packed);
}
void forward(const Launch& launch, const ConvShape& s, const float* x, const float* weight, const float* packed,
             const float* bias, const float* sample_bias, const float* residual, float* y, float* scratch) {
  if (!by_digits(s)) return kOthers.forward(launch, s, x, weight, packed, bias, sample_bias, residual, y, scratch);
  digits_forward(launch, s, x, {weight, s.out, s.in, false}, packed, {bias, sample_bias, residual}, y, scratch);
}

std::int64_t backward_data_packed(const ConvShape& s) {
  return data_by_digits(s) ? digit_packed(transposed(s)) : kOthers.backward_data_packed(s);
}
std::int64_t backward_data_scratch(const ConvShape& s, int slots) {
  return data_by_digits(s) ? digit_scratch(transposed(s), slots) : kOthers.backward_data_scratch(s, slots);
}
void pack_backward_data(const Launch& launch, const ConvShape& s, const float* weight, float* packed) {
  if (!data_by_digits(s)) return kOthers.pack_backward_data(launch, s, weight, packed);
  digit_pack(launch, transposed(s), {weight, s.out, s.in, true}, packed);
}
void backward_data(const Launch& launch, const ConvShape& s, const float* dy, const float* weight, const float* packed, float* dx,
                   float* scratch) {
  if (!data_by_digits(s)) return kOthers.backward_data(launch, s, dy, weight, packed, dx, scratch);
  digits_forward(launch, transposed(s), dy, {weight, s.out, s.in, true}, packed, {}, dx, scratch);
}

}  // namespace

extern const ConvKernels conv_kernels;
// Gradients of weights, sums over tiles, were no faster with digits: the table takes them from AVX-512.
const ConvKernels conv_kernels{forward_algorithm,    forward_packed,       forward_scratch,       pack_forward,       forward,
                               backward_data_packed, backward_data_scratch, pack_backward_data, backward_data,
                               nullptr, nullptr};

}  // namespace EDDY_ISA
}  // namespace eddy::inline v0_1
