// Convolutions of any kernel, stride and padding as matrix products over gathered pixels ("im2col", a tile at a time).
//
//   columns (pixel, (ky, kx, c)) = x at (oy stride - pad + ky, ox stride - pad + kx), zero outside
//   y = columns W^T,   dW = dy^T columns,   dcolumns = dy W, scattered back to dx
#pragma once

#include "kernels/conv2d.hpp"
#include "kernels/gemm.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

constexpr std::int64_t kPixels = 8 * kRows;  // of a tile

inline std::int64_t taps(const ConvShape& s) { return s.kernel_height * s.kernel_width; }
inline std::int64_t depth(const ConvShape& s) { return taps(s) * s.in; }
inline std::int64_t pixels(const ConvShape& s) { return s.out_height * s.out_width; }

inline void copy(const float* from, std::int64_t n, float* to) {
  for (std::int64_t i = 0; i < n; i += kWidth) store_up_to(to + i, from ? load_up_to(from + i, n - i) : zero(), n - i);
}

// A row of taps lies together in the picture, too.
inline void gather(const ConvShape& s, const float* sample, std::int64_t first, std::int64_t count, float* columns) {
  const std::int64_t row_floats = s.kernel_width * s.in;
  for (std::int64_t p = first; p < first + count; ++p) {
    const std::int64_t row = p / s.out_width * s.stride - s.pad_top, column = p % s.out_width * s.stride - s.pad_left;
    for (std::int64_t r = row; r < row + s.kernel_height; ++r, columns += row_floats) {
      const float* from = r >= 0 && r < s.height ? sample + r * s.width * s.in : nullptr;
      if (from && column >= 0 && column + s.kernel_width <= s.width) {
        copy(from + column * s.in, row_floats, columns);
        continue;
      }
      for (std::int64_t kx = 0; kx < s.kernel_width; ++kx) {
        const std::int64_t q = column + kx;
        copy(from && q >= 0 && q < s.width ? from + q * s.in : nullptr, s.in, columns + kx * s.in);
      }
    }
  }
}

// The other way: what each tap has is added to its pixel, in order.
inline void scatter(const ConvShape& s, const float* columns, std::int64_t first, std::int64_t count, float* sample) {
  for (std::int64_t p = first; p < first + count; ++p) {
    const std::int64_t row = p / s.out_width * s.stride - s.pad_top, column = p % s.out_width * s.stride - s.pad_left;
    for (std::int64_t r = row; r < row + s.kernel_height; ++r) {
      for (std::int64_t q = column; q < column + s.kernel_width; ++q, columns += s.in) {
        if (r < 0 || r >= s.height || q < 0 || q >= s.width) continue;
        float* to = sample + (r * s.width + q) * s.in;
        for (std::int64_t c = 0; c < s.in; ++c) to[c] += columns[c];
      }
    }
  }
}

std::int64_t direct_forward_scratch(const ConvShape& s, int slots) { return slots * kPixels * depth(s); }

void direct_pack_forward(const Launch& launch, const ConvShape& s, const float* weight, float* packed) {
  const std::int64_t t = taps(s);
  pack_panels(launch, depth(s), s.out, packed, [=, in = s.in](std::int64_t k, std::int64_t o) {
    return weight[(o * in + k % in) * t + k / in];
  });
}

void direct_forward(const Launch& launch, const ConvShape& s, const float* x, const float* packed, const float* bias,
                    const float* sample_bias, const float* residual, float* y, float* scratch) {
  const std::int64_t k = depth(s), tiles = ceil_div(pixels(s), kPixels);
  parallel(launch, s.n * tiles, [&](std::int64_t tile, int slot) {
    const std::int64_t sample = tile / tiles, first = tile % tiles * kPixels, m = lower(kPixels, pixels(s) - first);
    float* columns = scratch + slot * kPixels * k;
    gather(s, x + sample * s.height * s.width * s.in, first, m, columns);
    const std::int64_t at = (sample * pixels(s) + first) * s.out;
    product(m, s.out, {columns, k, k}, {nullptr, 0, 0}, packed, y + at, s.out,
            {bias, sample_bias ? sample_bias + sample * s.out : nullptr, residual ? residual + at : nullptr});
  });
}

// What packs turned weights for direct_forward of the transposed shape.
void direct_pack_turned(const Launch& launch, const ConvShape& s, const float* weight, float* packed) {
  const std::int64_t t = taps(s);
  pack_panels(launch, t * s.out, s.in, packed, [=, in = s.in, out = s.out](std::int64_t k, std::int64_t c) {
    return weight[(k % out * in + c) * t + t - 1 - k / out];
  });
}

void direct_pack_backward_data(const Launch& launch, const ConvShape& s, const float* weight, float* packed) {
  const std::int64_t t = taps(s);
  pack_panels(launch, s.out, depth(s), packed, [=, in = s.in](std::int64_t o, std::int64_t k) {
    return weight[(o * in + k % in) * t + k / in];
  });
}

// One thread a sample: the scattered sums have one order.
void direct_backward_data(const Launch& launch, const ConvShape& s, const float* dy, const float* packed, float* dx,
                          float* scratch) {
  const std::int64_t k = depth(s), size = s.height * s.width * s.in;
  parallel(launch, s.n, [&](std::int64_t sample, int slot) {
    float* columns = scratch + slot * kPixels * k;
    float* target = dx + sample * size;
    zero_rows(target, 1, size, size);
    for (std::int64_t first = 0; first < pixels(s); first += kPixels) {
      const std::int64_t m = lower(kPixels, pixels(s) - first);
      product(m, k, {dy + (sample * pixels(s) + first) * s.out, s.out, s.out}, {nullptr, 0, 0}, packed, columns, k, {});
      scatter(s, columns, first, m, target);
    }
  });
}

std::int64_t direct_gradient_groups(const ConvShape& s) { return lower(s.n, 8); }

std::int64_t direct_backward_weight_scratch(const ConvShape& s, int slots) {
  return slots * (kGradDepth * depth(s) + kGradDepth * kPanel) + direct_gradient_groups(s) * s.out * depth(s);
}

// Groups of samples are summed apart, then in order: neither depends on the threads.
void direct_backward_weight(const Launch& launch, const ConvShape& s, const float* x, const float* dy, float* dw,
                            float* scratch) {
  const std::int64_t k = depth(s), groups = direct_gradient_groups(s), t = taps(s);
  float* partials = scratch + launch.slots * (kGradDepth * k + kGradDepth * kPanel);
  parallel(launch, groups, [&](std::int64_t group, int slot) {
    float* columns = scratch + slot * (kGradDepth * k + kGradDepth * kPanel);
    float* partial = partials + group * s.out * k;
    zero_rows(partial, s.out, k, k);
    for (std::int64_t sample = group * s.n / groups; sample < (group + 1) * s.n / groups; ++sample) {
      for (std::int64_t first = 0; first < pixels(s); first += kGradDepth) {
        const std::int64_t m = lower(kGradDepth, pixels(s) - first);
        gather(s, x + sample * s.height * s.width * s.in, first, m, columns);
        product_transposed(s.out, k, m, dy + (sample * pixels(s) + first) * s.out, s.out, columns, k, partial, k,
                           columns + kGradDepth * k);
      }
    }
  });
  parallel(launch, s.out, [&](std::int64_t o, int) {
    for (std::int64_t c = 0; c < s.in; ++c) {
      for (std::int64_t tap = 0; tap < t; ++tap) {
        float total = 0;
        for (std::int64_t g = 0; g < groups; ++g) total += partials[(g * s.out + o) * k + tap * s.in + c];
        dw[(o * s.in + c) * t + tap] = total;
      }
    }
  });
}

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
