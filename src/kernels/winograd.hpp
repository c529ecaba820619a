// 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3) [Lavin2016, 4.2].
//
//   Y = A^T [ (G g G^T) * (B^T d B) ] A        d: 6x6 of the input, g: 3x3 weights, Y: 4x4 of the output
//   dd: the same form with g turned by 180 degrees, input and output channels changed over
//   dg = G^T [ sum over tiles (B^T d B) * (A dY A^T) ] G
//
// The product * is elementwise over the 36 places of a tile, and there a matrix product over the channels: 36 planes of
// (tiles x in) (in x out). Some tiles at a time, so that their planes stay in the second-level cache.
#pragma once

#include "kernels/conv2d.hpp"
#include "kernels/gemm.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

// At least so many floats, an odd number of cache lines: at even distances the places of a tile fall into few sets of the cache.
constexpr std::int64_t odd_lines(std::int64_t floats) { return (ceil_div(floats, 16) | 1) * 16; }

// Floats from one plane to the next.
constexpr std::int64_t plane(std::int64_t count, std::int64_t row) { return odd_lines(count * row); }

struct Winograd {
  ConvShape s;
  std::int64_t tiles_high, tiles_wide, tiles;
  std::int64_t in_pad, out_pad;  // channels in whole panels

  explicit Winograd(const ConvShape& shape) : s(shape) {
    tiles_high = ceil_div(s.out_height, 4);
    tiles_wide = ceil_div(s.out_width, 4);
    tiles = s.n * tiles_high * tiles_wide;
    in_pad = round_up(s.in, kPanel);
    out_pad = round_up(s.out, kPanel);
  }
  // Tiles that one thread takes at a time.
  std::int64_t group() const { return (s.in + s.out <= 160 ? 4 : 2) * kRows; }
  bool staged() const { return ceil_div(tiles, group()) < 6; }
  std::int64_t scratch(int slots) const {
    const std::int64_t count = staged() ? tiles : group();
    return 36 * (plane(count, in_pad) + plane(count, out_pad)) * (staged() ? 1 : slots);
  }
  struct Place {
    std::int64_t sample, row, column;  // of the tile's first output
  };
  Place place(std::int64_t tile) const {
    const std::int64_t per_sample = tiles_high * tiles_wide, r = tile % per_sample;
    return {tile / per_sample, r / tiles_wide * 4, r % tiles_wide * 4};
  }
};

bool use_winograd(const ConvShape& s) {
  return s.kernel_height == 3 && s.kernel_width == 3 && s.stride == 1 && s.in >= 4 && s.out_height * s.out_width >= 9 &&
         s.pad_top <= 2 && s.pad_left <= 2;
}

// The six rows of a 6x6 transform in three pairs: a pair of rows of all columns stays in the registers of any set.
enum class Rows { outer, one, two };  // 0 and 5; 1 and 2 (points 1 and -1); 3 and 4 (points 2 and -2)

constexpr int upper_row(Rows rows) { return rows == Rows::outer ? 0 : rows == Rows::one ? 1 : 3; }
constexpr int lower_row(Rows rows) { return rows == Rows::outer ? 5 : rows == Rows::one ? 2 : 4; }

// Two of the six values B^T d; d(i) reads one, and only what is needed is read.
template <Rows kPair, class D>
inline __attribute__((always_inline)) void input_pair(Vec& upper, Vec& lower, D&& d) {
  if constexpr (kPair == Rows::outer) {
    upper = fma(fill(4), d(0), fma(fill(-5), d(2), d(4)));
    lower = fma(fill(4), d(1), fma(fill(-5), d(3), d(5)));
  } else if constexpr (kPair == Rows::one) {
    const Vec a = fma(fill(-4), d(2), d(4)), b = fma(fill(-4), d(1), d(3));
    upper = a + b;
    lower = a - b;
  } else {
    const Vec c = d(4) - d(2), e = fill(2) * (d(3) - d(1));
    upper = c + e;
    lower = c - e;
  }
}

// Two of the six values A y of four.
template <Rows kPair, class Y>
inline __attribute__((always_inline)) void output_gradient_pair(Vec& upper, Vec& lower, Y&& y) {
  if constexpr (kPair == Rows::outer) {
    upper = y(0);
    lower = y(3);
  } else if constexpr (kPair == Rows::one) {
    const Vec even = y(0) + y(2), odd = y(1) + y(3);
    upper = even + odd;
    lower = even - odd;
  } else {
    const Vec y1 = y(1), even = fma(fill(4), y(2), y(0)), odd = fma(fill(8), y(3), y1 + y1);
    upper = even + odd;
    lower = even - odd;
  }
}

// All six in place of the six, or of the first four.
inline __attribute__((always_inline)) void input_1d(Vec* d) {
  Vec r[6];
  const auto at = [&](int i) { return d[i]; };
  input_pair<Rows::outer>(r[0], r[5], at);
  input_pair<Rows::one>(r[1], r[2], at);
  input_pair<Rows::two>(r[3], r[4], at);
  for (int i = 0; i < 6; ++i) d[i] = r[i];
}
inline __attribute__((always_inline)) void output_gradient_1d(Vec* y) {
  Vec r[6];
  const auto at = [&](int i) { return y[i]; };
  output_gradient_pair<Rows::outer>(r[0], r[5], at);
  output_gradient_pair<Rows::one>(r[1], r[2], at);
  output_gradient_pair<Rows::two>(r[3], r[4], at);
  for (int i = 0; i < 6; ++i) y[i] = r[i];
}

// Values 0 and 2 of A^T m, or 1 and 3.
template <bool kEven, class M>
inline __attribute__((always_inline)) void output_pair(Vec& upper, Vec& lower, M&& m) {
  const Vec m1 = m(1), m2 = m(2), m3 = m(3), m4 = m(4);
  if constexpr (kEven) {
    const Vec a = m1 + m2, c = m3 + m4;
    upper = (m(0) + a) + c;
    lower = fma(fill(4), c, a);
  } else {
    const Vec b = m1 - m2, d = m3 - m4;
    upper = fma(fill(2), d, b);
    lower = fma(fill(8), d, b) + m(5);
  }
}

// G g: three values to six.
inline __attribute__((always_inline)) void weight_1d(Vec* u, Vec g0, Vec g1, Vec g2) {
  const Vec sixth = fill(1.0f / 6), c24 = fill(1.0f / 24), c12 = fill(1.0f / 12);
  const Vec even = -sixth * (g0 + g2), odd = sixth * g1;
  const Vec even2 = fma(c24, g0, sixth * g2), odd2 = c12 * g1;
  u[0] = fill(0.25f) * g0;
  u[1] = even - odd;
  u[2] = even + odd;
  u[3] = even2 + odd2;
  u[4] = even2 - odd2;
  u[5] = g2;
}

// G^T u: six values to three.
inline __attribute__((always_inline)) void weight_gradient_1d(Vec* g, Vec u0, Vec u1, Vec u2, Vec u3, Vec u4, Vec u5) {
  const Vec sixth = fill(1.0f / 6), c24 = fill(1.0f / 24), c12 = fill(1.0f / 12);
  const Vec a = u1 + u2, b = u2 - u1, c = u3 + u4, d = u3 - u4;
  g[0] = fma(fill(0.25f), u0, fma(c24, c, -sixth * a));
  g[1] = fma(c12, d, sixth * b);
  g[2] = fma(sixth, c, fma(-sixth, a, u5));
}

// Rows of a picture's tile that may lie outside: those are read as zeros, at whatever offset.
template <int kTall>
struct TileRows {
  const float* start[kTall];
  std::int64_t keep[kTall];  // all bits, or none where the row is outside

  TileRows(const float* sample, std::int64_t first, std::int64_t height, std::int64_t row_floats) {
    alignas(64) static constexpr float kZeros[kWidth] = {};
    for (int i = 0; i < kTall; ++i) {
      const std::int64_t r = first + i;
      const bool inside = r >= 0 && r < height;
      start[i] = inside ? sample + r * row_floats : kZeros;
      keep[i] = inside ? -1 : 0;
    }
  }
  Vec at(int i, std::int64_t offset, std::int64_t n) const { return load_up_to(start[i] + (offset & keep[i]), n); }
};

template <Rows kPair, bool kBorder>
inline __attribute__((always_inline)) void transform_input_pair(const TileRows<6>& rows, std::int64_t column, std::int64_t width,
                                                                std::int64_t in, std::int64_t c, float* v, std::int64_t stride) {
  Vec upper[6], lower[6];
#pragma GCC unroll 6
  for (int j = 0; j < 6; ++j) {
    if (kBorder && (column + j < 0 || column + j >= width)) {
      upper[j] = lower[j] = zero();
    } else {
      const std::int64_t offset = (column + j) * in + c;
      input_pair<kPair>(upper[j], lower[j], [&](int i) {
        return kBorder ? rows.at(i, offset, in - c) : load_up_to(rows.start[i] + offset, in - c);
      });
    }
  }
  input_1d(upper);
  input_1d(lower);
#pragma GCC unroll 6
  for (int j = 0; j < 6; ++j) {
    store(v + (upper_row(kPair) * 6 + j) * stride + c, upper[j]);
    store(v + (lower_row(kPair) * 6 + j) * stride + c, lower[j]);
  }
}

// The 6x6 input of a tile, transformed: v[plane * stride + channel].
template <bool kBorder>
inline void transform_input(const Winograd& w, const Winograd::Place& at, const float* x, float* v, std::int64_t stride) {
  const ConvShape& s = w.s;
  const std::int64_t column = at.column - s.pad_left;
  const TileRows<6> rows(x + at.sample * s.height * s.width * s.in, at.row - s.pad_top, s.height, s.width * s.in);
  for (std::int64_t c = 0; c < s.in; c += kWidth) {
    transform_input_pair<Rows::outer, kBorder>(rows, column, s.width, s.in, c, v, stride);
    transform_input_pair<Rows::one, kBorder>(rows, column, s.width, s.in, c, v, stride);
    transform_input_pair<Rows::two, kBorder>(rows, column, s.width, s.in, c, v, stride);
  }
}

inline void transform_input(const Winograd& w, std::int64_t tile, const float* x, float* v, std::int64_t stride) {
  const Winograd::Place at = w.place(tile);
  const std::int64_t row = at.row - w.s.pad_top, column = at.column - w.s.pad_left;
  const bool inside = row >= 0 && column >= 0 && row + 6 <= w.s.height && column + 6 <= w.s.width;
  inside ? transform_input<false>(w, at, x, v, stride) : transform_input<true>(w, at, x, v, stride);
}

// What is added to an output; all may be null, and point at the tile's first value.
struct OutputTile {
  const float *bias, *sample_bias, *residual;
  float* y;
  std::int64_t rows, columns, row_floats, channels;
};

// Output rows 0 and 2 of a tile, or 1 and 3, channels k to k + kWidth.
template <bool kEven, bool kWhole>
inline __attribute__((always_inline)) void transform_output_pair(const OutputTile& t, std::int64_t k, const float* m,
                                                                 std::int64_t stride) {
  const std::int64_t n = t.channels - k;
  Vec rows[2][6];
#pragma GCC unroll 6
  for (int j = 0; j < 6; ++j) {
    output_pair<kEven>(rows[0][j], rows[1][j], [&](int i) { return load(m + (i * 6 + j) * stride + k); });
  }
  const Vec b = t.bias ? load_up_to(t.bias + k, n) : zero();
  const Vec sb = t.sample_bias ? load_up_to(t.sample_bias + k, n) : zero();
#pragma GCC unroll 2
  for (int r = 0; r < 2; ++r) {
    const int i = 2 * r + (kEven ? 0 : 1);
    if (!kWhole && i >= t.rows) continue;
    Vec o[4];
    const auto at = [&](int j) { return rows[r][j]; };
    output_pair<true>(o[0], o[2], at);
    output_pair<false>(o[1], o[3], at);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      if (!kWhole && j >= t.columns) continue;
      const std::int64_t offset = i * t.row_floats + j * t.channels + k;
      Vec value = o[j];
      if (t.bias) value += b;
      if (t.sample_bias) value += sb;
      if (t.residual) value += load_up_to(t.residual + offset, n);
      store_up_to(t.y + offset, value, n);
    }
  }
}

template <bool kWhole>
inline void transform_output(const OutputTile& t, const float* m, std::int64_t stride) {
  for (std::int64_t k = 0; k < t.channels; k += kWidth) {
    transform_output_pair<true, kWhole>(t, k, m, stride);
    transform_output_pair<false, kWhole>(t, k, m, stride);
  }
}

// The 4x4 output of a tile from m[plane * stride + channel].
inline void transform_output(const Winograd& w, std::int64_t tile, const float* m, std::int64_t stride, const float* bias,
                             const float* sample_bias, const float* residual, float* y) {
  const ConvShape& s = w.s;
  const Winograd::Place at = w.place(tile);
  const std::int64_t base = ((at.sample * s.out_height + at.row) * s.out_width + at.column) * s.out;
  const OutputTile t{bias, sample_bias ? sample_bias + at.sample * s.out : nullptr, residual ? residual + base : nullptr, y + base,
                     s.out_height - at.row, s.out_width - at.column, s.out_width * s.out, s.out};
  t.rows >= 4 && t.columns >= 4 ? transform_output<true>(t, m, stride) : transform_output<false>(t, m, stride);
}

// Plane p of `count` tiles: M = V U.
inline void multiply_plane(const Winograd& w, std::int64_t p, std::int64_t count, std::int64_t column, std::int64_t columns,
                           const float* v, const float* u, float* m) {
  const float* panels = u + (p * w.out_pad + column) * w.s.in;
  product(count, columns, {v + p * plane(count, w.in_pad), w.s.in, w.in_pad}, {nullptr, 0, 0}, panels,
          m + p * plane(count, w.out_pad) + column, w.out_pad, {});
}

void winograd_grouped(const Launch& launch, const Winograd& w, const float* x, const float* u, const float* bias,
                      const float* sample_bias, const float* residual, float* y, float* scratch) {
  const std::int64_t group = w.group(), slot_floats = 36 * (plane(group, w.in_pad) + plane(group, w.out_pad));
  parallel(launch, ceil_div(w.tiles, group), [&](std::int64_t g, int slot) {
    const std::int64_t first = g * group, count = lower(group, w.tiles - first);
    float* v = scratch + slot * slot_floats;
    float* m = v + 36 * plane(count, w.in_pad);
    for (std::int64_t t = 0; t < count; ++t) {
      transform_input(w, first + t, x, v + t * w.in_pad, plane(count, w.in_pad));
    }
    for (std::int64_t p = 0; p < 36; ++p) multiply_plane(w, p, count, 0, w.out_pad, v, u, m);
    for (std::int64_t t = 0; t < count; ++t) {
      transform_output(w, first + t, m + t * w.out_pad, plane(count, w.out_pad), bias, sample_bias, residual, y);
    }
  });
}

// Few tiles: each stage is shared out by itself.
void winograd_staged(const Launch& launch, const Winograd& w, const float* x, const float* u, const float* bias,
                     const float* sample_bias, const float* residual, float* y, float* scratch) {
  float* v = scratch;
  float* m = v + 36 * plane(w.tiles, w.in_pad);
  parallel(launch, w.tiles, [&](std::int64_t t, int) {
    transform_input(w, t, x, v + t * w.in_pad, plane(w.tiles, w.in_pad));
  });
  parallel(launch, 36, [&](std::int64_t p, int) { multiply_plane(w, p, w.tiles, 0, w.out_pad, v, u, m); });
  parallel(launch, w.tiles, [&](std::int64_t t, int) {
    transform_output(w, t, m + t * w.out_pad, plane(w.tiles, w.out_pad), bias, sample_bias, residual, y);
  });
}

void winograd_forward(const Launch& launch, const ConvShape& s, const float* x, const float* u, const float* bias,
                      const float* sample_bias, const float* residual, float* y, float* scratch) {
  const Winograd w(s);
  (w.staged() ? winograd_staged : winograd_grouped)(launch, w, x, u, bias, sample_bias, residual, y, scratch);
}

std::int64_t winograd_packed(const ConvShape& s) { return 36 * s.in * round_up(s.out, kPanel); }

// Transformed weights in panels: [plane][panel][in][kPanel]. tap(o, c, t): weight of output o, input c at place t.
template <class Tap>
inline void winograd_pack(const Launch& launch, const ConvShape& s, float* u, Tap tap) {
  const std::int64_t panels = ceil_div(s.out, kPanel), plane = s.in * panels * kPanel;
  constexpr std::int64_t kBlock = 16;  // input channels of a tile of work
  const std::int64_t blocks = ceil_div(s.in, kBlock);
  parallel(launch, panels * blocks, [&](std::int64_t tile, int) {
    const std::int64_t panel = tile / blocks, first = tile % blocks * kBlock;
    for (std::int64_t c = first; c < lower(first + kBlock, s.in); ++c) {
      for (int half = 0; half < kPanel; half += kWidth) {
        float lanes[9][kWidth];
        for (int q = 0; q < kWidth; ++q) {
          const std::int64_t o = panel * kPanel + half + q;
          for (int t = 0; t < 9; ++t) lanes[t][q] = o < s.out ? tap(o, c, t) : 0.0f;
        }
        Vec rows[6][3];
        for (int j = 0; j < 3; ++j) {
          Vec column[6];
          weight_1d(column, load(lanes[j]), load(lanes[3 + j]), load(lanes[6 + j]));
          for (int i = 0; i < 6; ++i) rows[i][j] = column[i];
        }
        float* out = u + panel * kPanel * s.in + c * kPanel + half;
        for (int i = 0; i < 6; ++i) {
          Vec row[6];
          weight_1d(row, rows[i][0], rows[i][1], rows[i][2]);
          for (int j = 0; j < 6; ++j) store(out + (i * 6 + j) * plane, row[j]);
        }
      }
    }
  });
}

void winograd_pack_forward(const Launch& launch, const ConvShape& s, const float* weight, float* u) {
  winograd_pack(launch, s, u,
                [=, in = s.in](std::int64_t o, std::int64_t c, int t) { return weight[(o * in + c) * 9 + t]; });
}

// The convolution that carries gradients back: from out to in channels, turned weights.
ConvShape transposed(const ConvShape& s) {
  return {.n = s.n, .height = s.out_height, .width = s.out_width, .in = s.out, .out = s.in, .out_height = s.height,
          .out_width = s.width, .kernel_height = 3, .kernel_width = 3, .stride = 1, .pad_top = 2 - s.pad_top,
          .pad_left = 2 - s.pad_left};
}

void winograd_pack_backward_data(const Launch& launch, const ConvShape& s, const float* weight, float* u) {
  winograd_pack(launch, transposed(s), u, [=, in = s.in](std::int64_t c, std::int64_t o, int t) {
    return weight[(o * in + c) * 9 + (8 - t)];
  });
}

// Tiles whose planes are kept at a time for the weight gradient.
std::int64_t gradient_chunk(const Winograd& w) {
  const std::int64_t fits = (std::int64_t{1} << 20) / (36 * (w.in_pad + w.out_pad));
  return lower(w.tiles, fits < 64 ? 64 : fits > 256 ? 256 : fits);
}

// Floats from one tile to the next where columns are read down the tiles.
constexpr std::int64_t gradient_row(std::int64_t pad) { return pad < 64 ? pad : odd_lines(pad); }

std::int64_t winograd_backward_weight_scratch(const ConvShape& s, int) {
  const Winograd w(s);
  const std::int64_t chunk = gradient_chunk(w);
  return 36 * (plane(chunk, gradient_row(w.in_pad)) + plane(chunk, gradient_row(w.out_pad)) + s.out * w.in_pad);
}

template <Rows kPair>
inline __attribute__((always_inline)) void transform_gradient_pair(const TileRows<4>& rows, std::int64_t column, std::int64_t width,
                                                                   std::int64_t out, std::int64_t k, float* z, std::int64_t stride) {
  Vec upper[6], lower[6];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    if (column + j >= width) {
      upper[j] = lower[j] = zero();
    } else {
      const std::int64_t offset = (column + j) * out + k;
      output_gradient_pair<kPair>(upper[j], lower[j], [&](int i) { return rows.at(i, offset, out - k); });
    }
  }
  output_gradient_1d(upper);
  output_gradient_1d(lower);
#pragma GCC unroll 6
  for (int j = 0; j < 6; ++j) {
    store(z + (upper_row(kPair) * 6 + j) * stride + k, upper[j]);
    store(z + (lower_row(kPair) * 6 + j) * stride + k, lower[j]);
  }
}

inline void transform_gradient(const Winograd& w, std::int64_t tile, const float* dy, float* z, std::int64_t stride) {
  const ConvShape& s = w.s;
  const Winograd::Place at = w.place(tile);
  const TileRows<4> rows(dy + at.sample * s.out_height * s.out_width * s.out, at.row, s.out_height, s.out_width * s.out);
  for (std::int64_t k = 0; k < s.out; k += kWidth) {
    transform_gradient_pair<Rows::outer>(rows, at.column, s.out_width, s.out, k, z, stride);
    transform_gradient_pair<Rows::one>(rows, at.column, s.out_width, s.out, k, z, stride);
    transform_gradient_pair<Rows::two>(rows, at.column, s.out_width, s.out, k, z, stride);
  }
}

// dW (out, in, 3, 3) of one output channel from du[plane * stride + in].
inline void untransform_weight(std::int64_t in, const float* du, std::int64_t stride, float* dw) {
  for (std::int64_t c = 0; c < in; c += kWidth) {
    Vec u[6][3];
    for (int i = 0; i < 6; ++i) {
      const float* p = du + i * 6 * stride + c;
      weight_gradient_1d(u[i], load(p), load(p + stride), load(p + 2 * stride), load(p + 3 * stride),
                         load(p + 4 * stride), load(p + 5 * stride));
    }
    float lanes[9][kWidth];
    for (int j = 0; j < 3; ++j) {
      Vec g[3];
      weight_gradient_1d(g, u[0][j], u[1][j], u[2][j], u[3][j], u[4][j], u[5][j]);
      for (int i = 0; i < 3; ++i) store(lanes[i * 3 + j], g[i]);
    }
    for (std::int64_t q = 0; q < lower(kWidth, in - c); ++q) {
      for (int t = 0; t < 9; ++t) dw[(c + q) * 9 + t] = lanes[t][q];
    }
  }
}

void winograd_backward_weight(const Launch& launch, const ConvShape& s, const float* x, const float* dy, float* dw,
                              float* scratch) {
  const Winograd w(s);
  const std::int64_t chunk = gradient_chunk(w), weights = s.out * w.in_pad;
  const std::int64_t v_row = gradient_row(w.in_pad), z_row = gradient_row(w.out_pad);
  float* v = scratch;
  float* z = v + 36 * plane(chunk, v_row);
  float* du = z + 36 * plane(chunk, z_row);
  constexpr std::int64_t kBlock = 4 * kRows;
  const std::int64_t blocks = ceil_div(s.out, kBlock);
  for (std::int64_t first = 0; first < w.tiles; first += chunk) {
    const std::int64_t count = lower(chunk, w.tiles - first), v_plane = plane(count, v_row), z_plane = plane(count, z_row);
    parallel(launch, ceil_div(count, 4), [&](std::int64_t four, int) {
      for (std::int64_t t = four * 4; t < lower(four * 4 + 4, count); ++t) {
        for (std::int64_t p = 0; p < 36 && w.in_pad > s.in; ++p) {  // the padding of a panel is multiplied too
          for (std::int64_t c = s.in; c < w.in_pad; ++c) v[p * v_plane + t * v_row + c] = 0;
        }
        transform_input(w, first + t, x, v + t * v_row, v_plane);
        transform_gradient(w, first + t, dy, z + t * z_row, z_plane);
      }
    });
    parallel(launch, 36 * blocks, [&](std::int64_t tile, int) {
      const std::int64_t p = tile / blocks, o = tile % blocks * kBlock, m = lower(kBlock, s.out - o);
      float* c = du + p * weights + o * w.in_pad;
      if (first == 0) {
        for (std::int64_t i = 0; i < m * w.in_pad; ++i) c[i] = 0;
      }
      product_transposed(m, w.in_pad, count, z + p * z_plane + o, z_row, v + p * v_plane, v_row, c, w.in_pad, nullptr);
    });
  }
  parallel(launch, s.out, [&](std::int64_t o, int) {
    untransform_weight(s.in, du + o * w.in_pad, weights, dw + o * s.in * 9);
  });
}

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
