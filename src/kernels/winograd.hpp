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
    return 36 * (in_pad + out_pad) * (staged() ? tiles : slots * group());
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

// B^T d: six values in place.
inline __attribute__((always_inline)) void input_1d(Vec& d0, Vec& d1, Vec& d2, Vec& d3, Vec& d4, Vec& d5) {
  const Vec two = fill(2), four = fill(4), five = fill(5);
  const Vec a = fma(-four, d2, d4), b = fma(-four, d1, d3);
  const Vec c = d4 - d2, d = two * (d3 - d1);
  const Vec first = fma(four, d0, fma(-five, d2, d4)), last = fma(four, d1, fma(-five, d3, d5));
  d0 = first;
  d1 = a + b;
  d2 = a - b;
  d3 = c + d;
  d4 = c - d;
  d5 = last;
}

// A^T m: six values to four.
inline __attribute__((always_inline)) void output_1d(Vec* y, Vec m0, Vec m1, Vec m2, Vec m3, Vec m4, Vec m5) {
  const Vec a = m1 + m2, b = m1 - m2, c = m3 + m4, d = m3 - m4;
  y[0] = (m0 + a) + c;
  y[1] = fma(fill(2), d, b);
  y[2] = fma(fill(4), c, a);
  y[3] = fma(fill(8), d, b) + m5;
}

// A y: four values to six.
inline __attribute__((always_inline)) void output_gradient_1d(Vec* m, Vec y0, Vec y1, Vec y2, Vec y3) {
  const Vec even = y0 + y2, odd = y1 + y3;
  const Vec even2 = fma(fill(4), y2, y0), odd2 = fma(fill(8), y3, y1 + y1);
  m[0] = y0;
  m[1] = even + odd;
  m[2] = even - odd;
  m[3] = even2 + odd2;
  m[4] = even2 - odd2;
  m[5] = y3;
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

// The 6x6 input of a tile, transformed: v[plane * stride + channel]. ld: floats of a pixel.
template <bool kBorder>
inline void transform_input(const Winograd& w, const Winograd::Place& at, const float* x, float* v, std::int64_t stride) {
  const ConvShape& s = w.s;
  const std::int64_t row = at.row - s.pad_top, column = at.column - s.pad_left;
  const float* sample = x + at.sample * s.height * s.width * s.in;
  for (std::int64_t c = 0; c < s.in; c += kWidth) {
    const auto pixel = [&](std::int64_t i, std::int64_t j) -> Vec {
      const std::int64_t r = row + i, q = column + j;
      if constexpr (kBorder) {
        if (r < 0 || r >= s.height || q < 0 || q >= s.width) return zero();
      }
      return load_up_to(sample + (r * s.width + q) * s.in + c, s.in - c);
    };
    Vec d[6][6];
    for (int j = 0; j < 6; ++j) {
      for (int i = 0; i < 6; ++i) d[i][j] = pixel(i, j);
      input_1d(d[0][j], d[1][j], d[2][j], d[3][j], d[4][j], d[5][j]);
    }
    for (int i = 0; i < 6; ++i) {
      input_1d(d[i][0], d[i][1], d[i][2], d[i][3], d[i][4], d[i][5]);
      for (int j = 0; j < 6; ++j) store(v + (i * 6 + j) * stride + c, d[i][j]);
    }
  }
}

inline void transform_input(const Winograd& w, std::int64_t tile, const float* x, float* v, std::int64_t stride) {
  const Winograd::Place at = w.place(tile);
  const std::int64_t row = at.row - w.s.pad_top, column = at.column - w.s.pad_left;
  const bool inside = row >= 0 && column >= 0 && row + 6 <= w.s.height && column + 6 <= w.s.width;
  inside ? transform_input<false>(w, at, x, v, stride) : transform_input<true>(w, at, x, v, stride);
}

// The 4x4 output of a tile from m[plane * stride + channel].
inline void transform_output(const Winograd& w, std::int64_t tile, const float* m, std::int64_t stride, const float* bias,
                             const float* sample_bias, const float* residual, float* y) {
  const ConvShape& s = w.s;
  const Winograd::Place at = w.place(tile);
  const std::int64_t rows = lower(4, s.out_height - at.row), columns = lower(4, s.out_width - at.column);
  const std::int64_t base = ((at.sample * s.out_height + at.row) * s.out_width + at.column) * s.out;
  for (std::int64_t k = 0; k < s.out; k += kWidth) {
    const std::int64_t n = s.out - k;
    Vec u[6][4];
    for (int j = 0; j < 6; ++j) {
      const float* p = m + j * stride + k;
      Vec column_result[4];
      output_1d(column_result, load(p), load(p + 6 * stride), load(p + 12 * stride), load(p + 18 * stride),
                load(p + 24 * stride), load(p + 30 * stride));
      for (int i = 0; i < 4; ++i) u[j][i] = column_result[i];
    }
    const Vec b = bias ? load_up_to(bias + k, n) : zero();
    const Vec sb = sample_bias ? load_up_to(sample_bias + at.sample * s.out + k, n) : zero();
    for (std::int64_t i = 0; i < rows; ++i) {
      Vec o[4];
      output_1d(o, u[0][i], u[1][i], u[2][i], u[3][i], u[4][i], u[5][i]);
      for (std::int64_t j = 0; j < columns; ++j) {
        const std::int64_t offset = base + (i * s.out_width + j) * s.out + k;
        Vec r = o[j];
        if (bias) r += b;
        if (sample_bias) r += sb;
        if (residual) r += load_up_to(residual + offset, n);
        store_up_to(y + offset, r, n);
      }
    }
  }
}

// Plane p of `count` tiles: M = V U.
inline void multiply_plane(const Winograd& w, std::int64_t p, std::int64_t count, std::int64_t column, std::int64_t columns,
                           const float* v, const float* u, float* m) {
  const float* panels = u + (p * w.out_pad + column) * w.s.in;
  product(count, columns, {v + p * count * w.in_pad, w.s.in, w.in_pad}, {nullptr, 0, 0}, panels,
          m + p * count * w.out_pad + column, w.out_pad, {});
}

void winograd_grouped(const Launch& launch, const Winograd& w, const float* x, const float* u, const float* bias,
                      const float* sample_bias, const float* residual, float* y, float* scratch) {
  const std::int64_t group = w.group(), slot_floats = 36 * group * (w.in_pad + w.out_pad);
  parallel(launch, ceil_div(w.tiles, group), [&](std::int64_t g, int slot) {
    const std::int64_t first = g * group, count = lower(group, w.tiles - first);
    float* v = scratch + slot * slot_floats;
    float* m = v + 36 * count * w.in_pad;
    for (std::int64_t t = 0; t < count; ++t) {
      transform_input(w, first + t, x, v + t * w.in_pad, count * w.in_pad);
    }
    for (std::int64_t p = 0; p < 36; ++p) multiply_plane(w, p, count, 0, w.out_pad, v, u, m);
    for (std::int64_t t = 0; t < count; ++t) {
      transform_output(w, first + t, m + t * w.out_pad, count * w.out_pad, bias, sample_bias, residual, y);
    }
  });
}

// Few tiles: each stage is shared out by itself.
void winograd_staged(const Launch& launch, const Winograd& w, const float* x, const float* u, const float* bias,
                     const float* sample_bias, const float* residual, float* y, float* scratch) {
  float* v = scratch;
  float* m = v + 36 * w.tiles * w.in_pad;
  parallel(launch, w.tiles, [&](std::int64_t t, int) {
    transform_input(w, t, x, v + t * w.in_pad, w.tiles * w.in_pad);
  });
  parallel(launch, 36, [&](std::int64_t p, int) { multiply_plane(w, p, w.tiles, 0, w.out_pad, v, u, m); });
  parallel(launch, w.tiles, [&](std::int64_t t, int) {
    transform_output(w, t, m + t * w.out_pad, w.tiles * w.out_pad, bias, sample_bias, residual, y);
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

std::int64_t winograd_backward_weight_scratch(const ConvShape& s, int) {
  const Winograd w(s);
  return 36 * (gradient_chunk(w) * (w.in_pad + w.out_pad) + s.out * w.in_pad);
}

inline void transform_gradient(const Winograd& w, std::int64_t tile, const float* dy, float* z, std::int64_t stride) {
  const ConvShape& s = w.s;
  const Winograd::Place at = w.place(tile);
  const std::int64_t base = ((at.sample * s.out_height + at.row) * s.out_width + at.column) * s.out;
  for (std::int64_t k = 0; k < s.out; k += kWidth) {
    const auto pixel = [&](std::int64_t i, std::int64_t j) -> Vec {
      if (at.row + i >= s.out_height || at.column + j >= s.out_width) return zero();
      return load_up_to(dy + base + (i * s.out_width + j) * s.out + k, s.out - k);
    };
    Vec u[6][4];
    for (int j = 0; j < 4; ++j) {
      Vec column[6];
      output_gradient_1d(column, pixel(0, j), pixel(1, j), pixel(2, j), pixel(3, j));
      for (int i = 0; i < 6; ++i) u[i][j] = column[i];
    }
    for (int i = 0; i < 6; ++i) {
      Vec row[6];
      output_gradient_1d(row, u[i][0], u[i][1], u[i][2], u[i][3]);
      for (int j = 0; j < 6; ++j) store(z + (i * 6 + j) * stride + k, row[j]);
    }
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
  const std::int64_t chunk = gradient_chunk(w), plane = s.out * w.in_pad;
  float* v = scratch;
  float* z = v + 36 * chunk * w.in_pad;
  float* du = z + 36 * chunk * w.out_pad;
  constexpr std::int64_t kBlock = 4 * kRows;
  const std::int64_t blocks = ceil_div(s.out, kBlock);
  for (std::int64_t first = 0; first < w.tiles; first += chunk) {
    const std::int64_t count = lower(chunk, w.tiles - first);
    parallel(launch, ceil_div(count, 4), [&](std::int64_t four, int) {
      for (std::int64_t t = four * 4; t < lower(four * 4 + 4, count); ++t) {
        for (std::int64_t p = 0; p < 36 && w.in_pad > s.in; ++p) {  // the padding of a panel is multiplied too
          for (std::int64_t c = s.in; c < w.in_pad; ++c) v[(p * count + t) * w.in_pad + c] = 0;
        }
        transform_input(w, first + t, x, v + t * w.in_pad, count * w.in_pad);
        transform_gradient(w, first + t, dy, z + t * w.out_pad, count * w.out_pad);
      }
    });
    parallel(launch, 36 * blocks, [&](std::int64_t tile, int) {
      const std::int64_t p = tile / blocks, o = tile % blocks * kBlock, m = lower(kBlock, s.out - o);
      float* c = du + p * plane + o * w.in_pad;
      if (first == 0) {
        for (std::int64_t i = 0; i < m * w.in_pad; ++i) c[i] = 0;
      }
      product_transposed(m, w.in_pad, count, z + p * count * w.out_pad + o, w.out_pad, v + p * count * w.in_pad, w.in_pad, c,
                         w.in_pad, nullptr);
    });
  }
  parallel(launch, s.out, [&](std::int64_t o, int) {
    untransform_weight(s.in, du + o * w.in_pad, plane, dw + o * s.in * 9);
  });
}

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
