// Which algorithm a convolution takes: by the shape of one sample and its channels alone.
#include "kernels/conv2d.hpp"

#include "kernels/direct_conv.hpp"
#include "kernels/winograd_gradient.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

bool winograd_data(const ConvShape& s) { return has_transposed(s) && use_winograd(transposed(s)); }

int forward_algorithm(const ConvShape& s) { return use_winograd(s) ? 1 : 0; }

std::int64_t forward_packed(const ConvShape& s) {
  return use_winograd(s) ? winograd_packed(s) : packed_floats(depth(s), s.out);
}
std::int64_t forward_scratch(const ConvShape& s, int slots) {
  return use_winograd(s) ? winograd_scratch(s, slots) : direct_forward_scratch(s, slots);
}
void pack_forward(const Launch& launch, const ConvShape& s, const float* weight, float* packed) {
  if (use_winograd(s)) return winograd_pack(launch, s, {weight, s.out, s.in, false}, packed);
  direct_pack_forward(launch, s, weight, packed);
}
void forward(const Launch& launch, const ConvShape& s, const float* x, const float* weight, const float* packed,
             const float* bias, const float* sample_bias, const float* residual, float* y, float* scratch) {
  if (use_winograd(s)) {
    return winograd_forward(launch, s, x, {weight, s.out, s.in, false}, packed, {bias, sample_bias, residual}, y, scratch);
  }
  direct_forward(launch, s, x, packed, bias, sample_bias, residual, y, scratch);
}

// Fewer channels to gather than to scatter.
bool gathered_data(const ConvShape& s) { return has_transposed(s) && s.out < s.in; }

std::int64_t backward_data_packed(const ConvShape& s) {
  if (winograd_data(s)) return winograd_packed(transposed(s));
  return gathered_data(s) ? packed_floats(depth(transposed(s)), s.in) : packed_floats(s.out, depth(s));
}
std::int64_t backward_data_scratch(const ConvShape& s, int slots) {
  if (winograd_data(s)) return winograd_scratch(transposed(s), slots);
  return direct_forward_scratch(gathered_data(s) ? transposed(s) : s, slots);
}
void pack_backward_data(const Launch& launch, const ConvShape& s, const float* weight, float* packed) {
  if (winograd_data(s)) return winograd_pack(launch, transposed(s), {weight, s.out, s.in, true}, packed);
  (gathered_data(s) ? direct_pack_turned : direct_pack_backward_data)(launch, s, weight, packed);
}
void backward_data(const Launch& launch, const ConvShape& s, const float* dy, const float* weight, const float* packed,
                   float* dx, float* scratch) {
  if (winograd_data(s)) {
    return winograd_forward(launch, transposed(s), dy, {weight, s.out, s.in, true}, packed, {}, dx, scratch);
  }
  if (gathered_data(s)) return direct_forward(launch, transposed(s), dy, packed, nullptr, nullptr, nullptr, dx, scratch);
  direct_backward_data(launch, s, dy, packed, dx, scratch);
}

std::int64_t backward_weight_scratch(const ConvShape& s, int slots) {
  return (use_winograd(s) ? winograd_backward_weight_scratch : direct_backward_weight_scratch)(s, slots);
}
void backward_weight(const Launch& launch, const ConvShape& s, const float* x, const float* dy, float* dw,
                     float* scratch) {
  (use_winograd(s) ? winograd_backward_weight : direct_backward_weight)(launch, s, x, dy, dw, scratch);
}

}  // namespace

extern const ConvKernels conv_kernels;
const ConvKernels conv_kernels{forward_algorithm,    forward_packed,       forward_scratch,       pack_forward,       forward,
                               backward_data_packed, backward_data_scratch, pack_backward_data, backward_data,
                               backward_weight_scratch, backward_weight};

}  // namespace eddy::inline v0_1::EDDY_ISA
