// Convolutions of any kernel, stride and padding as matrix products over gathered pixels ("im2col", a tile at a time).
//
//   columns (pixel, (ky, kx, c)) = x at (oy stride - pad + ky, ox stride - pad + kx), zero outside
//   y = columns W^T,   dW = dy^T columns,   dcolumns = dy W, scattered back to dx
#pragma once

#include "kernels/conv2d.hpp"
#include "kernels/pack.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

constexpr std::int64_t kPixels = 8 * kRows;  // of a tile

inline std::int64_t taps(const ConvShape& s) { return s.kernel_height * s.kernel_width; }
inline std::int64_t depth(const ConvShape& s) { return taps(s) * s.in; }
inline std::int64_t pixels(const ConvShape& s) { return s.out_height * s.out_width; }

inline void copy(const float* from, std::int64_t n, float* to) {
  for (std::int64_t i = 0; i < n; i += kWidth) store_up_to(to + i, from ? load_up_to(from + i, n - i) : zero(), n - i);
}

// Some channels of the taps of `count` pixels of all samples. A row of taps lies together in the picture, too.
inline void gather(const ConvShape& s, const float* x, std::int64_t first, std::int64_t count, std::int64_t channel,
                   std::int64_t channels, float* columns) {
  const std::int64_t row_floats = s.kernel_width * channels;
  for (std::int64_t i = first; i < first + count; ++i) {
    const std::int64_t p = i % pixels(s);
    const float* sample = x + i / pixels(s) * s.height * s.width * s.in + channel;
    const std::int64_t row = p / s.out_width * s.stride - s.pad_top, column = p % s.out_width * s.stride - s.pad_left;
    for (std::int64_t r = row; r < row + s.kernel_height; ++r, columns += row_floats) {
      const float* from = r >= 0 && r < s.height ? sample + r * s.width * s.in : nullptr;
      if (channels == s.in && from && column >= 0 && column + s.kernel_width <= s.width) {
        copy(from + column * s.in, row_floats, columns);
        continue;
      }
      for (std::int64_t kx = 0; kx < s.kernel_width; ++kx) {
        const std::int64_t q = column + kx;
        copy(from && q >= 0 && q < s.width ? from + q * s.in : nullptr, channels, columns + kx * channels);
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
  pack_columns(launch, depth(s), s.out, weight, depth(s), packed, [=, in = s.in](std::int64_t k) { return k % t * in + k / t; });
}

void direct_forward(const Launch& launch, const ConvShape& s, const float* x, const float* packed, const float* bias,
                    const float* sample_bias, const float* residual, float* y, float* scratch) {
  const std::int64_t k = depth(s), tiles = ceil_div(pixels(s), kPixels);
  parallel(launch, s.n * tiles, [&](std::int64_t tile, int slot) {
    const std::int64_t sample = tile / tiles, first = tile % tiles * kPixels, m = lower(kPixels, pixels(s) - first);
    float* columns = scratch + slot * kPixels * k;
    gather(s, x, sample * pixels(s) + first, m, 0, s.in, columns);
    const std::int64_t at = (sample * pixels(s) + first) * s.out;
    product(m, s.out, {columns, k, k}, {nullptr, 0, 0}, packed, y + at, s.out,
            {bias, sample_bias ? sample_bias + sample * s.out : nullptr, residual ? residual + at : nullptr});
  });
}

struct Element {
  std::int64_t row, column;
};

// Packs a k x n factor of all weights (o, c, tap): that of channel c stands c columns behind place(o, tap). Zeros follow the last
// column of the last panel.
template <class Place>
inline void pack_taps(const Launch& launch, const ConvShape& s, const float* weight, std::int64_t k, std::int64_t n,
                      float* packed, Place place) {
  const std::int64_t t = taps(s);
  parallel(launch, s.out, [&](std::int64_t o, int) {
    for (std::int64_t tap = 0; tap < t; ++tap) {
      const Element first = place(o, tap);
      const auto at = [&](std::int64_t column) -> float& {
        const std::int64_t in_panel = column % kPanel;
        return packed[(column - in_panel) * k + first.row * kPanel + in_panel];
      };
      const float* from = weight + o * s.in * t + tap;
      for (std::int64_t c = 0; c < s.in; ++c) at(first.column + c) = from[c * t];
      if (first.column + s.in != n) continue;
      for (std::int64_t column = n; column < round_up(n, kPanel); ++column) at(column) = 0;
    }
  });
}

// Turned weights, for direct_forward of the transposed shape.
void direct_pack_turned(const Launch& launch, const ConvShape& s, const float* weight, float* packed) {
  const std::int64_t t = taps(s);
  pack_taps(launch, s, weight, t * s.out, s.in, packed, [=, out = s.out](std::int64_t o, std::int64_t tap) {
    return Element{(t - 1 - tap) * out + o, 0};
  });
}

void direct_pack_backward_data(const Launch& launch, const ConvShape& s, const float* weight, float* packed) {
  pack_taps(launch, s, weight, s.out, depth(s), packed, [in = s.in](std::int64_t o, std::int64_t tap) {
    return Element{o, tap * in};
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

// How the gradient of weights is cut: blocks of output channels and of input channels with all taps, and parts of the rows, which
// are the pixels of all samples. All of it depends on the shape alone.
struct DirectCut {
  static constexpr std::int64_t kOuts = 128, kIns = 64;
  static constexpr std::int64_t kPieceFloats = 9 * 32 * kGradDepth;  // of columns: they stay in the second-level cache
  std::int64_t rows, channels, columns;  // input channels of a block; columns of it: taps of those
  std::int64_t outs_blocks, blocks, parts, piece;

  explicit DirectCut(const ConvShape& s)
      : rows(s.n * pixels(s)), channels(lower(s.in, kIns)), columns(taps(s) * channels),
        outs_blocks(ceil_div(s.out, kOuts)), blocks(outs_blocks * ceil_div(s.in, channels)), parts(parts_of(rows, blocks)) {
    const std::int64_t fits = kPieceFloats / columns;
    piece = lower(kGradDepth, fits < 16 ? 16 : fits);
  }
  std::int64_t slot_floats() const { return piece * columns + kGradDepth * kPanel; }
  std::int64_t part_floats(const ConvShape& s) const { return ceil_div(s.in, channels) * s.out * columns; }
};

std::int64_t direct_backward_weight_scratch(const ConvShape& s, int slots) {
  const DirectCut cut(s);
  return slots * cut.slot_floats() + cut.parts * cut.part_floats(s);
}

void direct_backward_weight(const Launch& launch, const ConvShape& s, const float* x, const float* dy, float* dw,
                            float* scratch) {
  const DirectCut cut(s);
  const std::int64_t t = taps(s);
  if (cut.rows == 0) return zero_rows(dw, s.out, depth(s), depth(s));  // x and dy may be null
  float* sums = scratch + launch.slots * cut.slot_floats();  // [part][block of input channels][out][tap, channel]
  parallel(launch, cut.parts * cut.blocks, [&](std::int64_t task, int slot) {
    const std::int64_t part = task / cut.blocks, block = task % cut.blocks;
    const std::int64_t o = block % cut.outs_blocks * DirectCut::kOuts, outs = lower(DirectCut::kOuts, s.out - o);
    const std::int64_t of_ins = block / cut.outs_blocks, c = of_ins * cut.channels, channels = lower(cut.channels, s.in - c);
    const std::int64_t begin = part * cut.rows / cut.parts, end = (part + 1) * cut.rows / cut.parts, n = t * channels;
    float* columns = scratch + slot * cut.slot_floats();
    float* sum = sums + part * cut.part_floats(s) + (of_ins * s.out + o) * cut.columns;
    for (std::int64_t first = begin; first < end; first += cut.piece) {
      const std::int64_t m = lower(cut.piece, end - first);
      gather(s, x, first, m, c, channels, columns);
      product_transposed(outs, n, m, dy + first * s.out + o, s.out, columns, n, sum, cut.columns,
                         columns + cut.piece * cut.columns, first > begin);
    }
  });
  parallel(launch, s.out, [&](std::int64_t o, int) {
    for (std::int64_t c = 0; c < s.in; c += cut.channels) {
      const std::int64_t channels = lower(cut.channels, s.in - c), n = t * channels;
      float* total = sums + (c / cut.channels * s.out + o) * cut.columns;
      for (std::int64_t part = 1; part < cut.parts; ++part) {
        const float* next = total + part * cut.part_floats(s);
        for (std::int64_t i = 0; i < n; ++i) total[i] += next[i];
      }
      for (std::int64_t i = 0; i < channels; ++i) {
        for (std::int64_t tap = 0; tap < t; ++tap) dw[(o * s.in + c + i) * t + tap] = total[tap * channels + i];
      }
    }
  });
}

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
