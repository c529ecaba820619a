// Winograd's F(4x4, 3x3) of tiles of pictures: B^T d B of the input, A^T M A to the output, A dY A^T of its gradient; the
// points are 0, 1, -1, 2, -2 and infinity. In registers, kWidth channels at a time, two rows of a tile at a time.
#pragma once

#include "kernels/conv2d.hpp"
#include "kernels/gemm.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

// At least so many floats, an odd number of cache lines: at even distances the places of a tile fall into few sets of the cache.
constexpr std::int64_t odd_lines(std::int64_t floats) { return (ceil_div(floats, 16) | 1) * 16; }

// Floats from one plane to the next.
constexpr std::int64_t plane(std::int64_t count, std::int64_t row) { return odd_lines(count * row); }

inline bool use_winograd(const ConvShape& s) {
  return s.kernel_height == 3 && s.kernel_width == 3 && s.stride == 1 && s.in >= 4 && s.out_height * s.out_width >= 9 &&
         s.pad_top <= 2 && s.pad_left <= 2;
}

// The convolution that carries gradients back: from out to in channels, turned weights.
inline ConvShape transposed(const ConvShape& s) {
  return {.n = s.n, .height = s.out_height, .width = s.out_width, .in = s.out, .out = s.in, .out_height = s.height,
          .out_width = s.width, .kernel_height = 3, .kernel_width = 3, .stride = 1, .pad_top = 2 - s.pad_top,
          .pad_left = 2 - s.pad_left};
}

constexpr std::int64_t kOwnTiles = 16;  // tiles, at most, whose V each slot makes for itself: sooner made than fetched

// How a picture falls into tiles of 4x4 outputs.
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
  struct Place {
    std::int64_t sample, row, column;  // of the tile's first output
  };
  Place place(std::int64_t tile) const {
    const std::int64_t per_sample = tiles_high * tiles_wide, r = tile % per_sample;
    return {tile / per_sample, r / tiles_wide * 4, r % tiles_wide * 4};
  }
};

// A range of channels.
struct Channels {
  std::int64_t first, end;
};

// Pictures that tiles read, or write.
struct Pictures {
  const float* data;
  std::int64_t pixels, channels;  // of one
};
inline Pictures inputs(const ConvShape& s, const float* x) { return {x, s.height * s.width, s.in}; }
inline Pictures outputs(const ConvShape& s, const float* y) { return {y, s.out_height * s.out_width, s.out}; }

// Calls into the cache what tiles two rows of tiles further on begin with. Each tile calls its share of the pixels in the order of
// memory, and that the CPU's own prefetchers follow; the rows of a tile, each a short way through another place, they do not.
EDDY_INLINE void call_ahead(const Winograd& w, std::int64_t tile, const Pictures& p, Channels channels) {
  const std::int64_t of_picture = w.tiles_high * w.tiles_wide, ahead = tile + 2 * w.tiles_wide;
  if (ahead >= w.tiles) return;
  const std::int64_t share = ceil_div(p.pixels, of_picture), first = ahead % of_picture * share;
  const std::int64_t end = lower(p.pixels, first + share);
  const float* picture = p.data + ahead / of_picture * p.pixels * p.channels;
  for (std::int64_t pixel = first; pixel < end; ++pixel) {
    for (std::int64_t c = channels.first; c < channels.end; c += 16) __builtin_prefetch(picture + pixel * p.channels + c);
  }
}

// The six rows of a 6x6 transform in three pairs: a pair of rows of all columns stays in the registers of any set.
enum class Rows { outer, one, two };  // 0 and 5; 1 and 2 (points 1 and -1); 3 and 4 (points 2 and -2)

constexpr int upper_row(Rows rows) { return rows == Rows::outer ? 0 : rows == Rows::one ? 1 : 3; }
constexpr int lower_row(Rows rows) { return rows == Rows::outer ? 5 : rows == Rows::one ? 2 : 4; }

// Two of the six values B^T d; d(i) reads one, and only what is needed is read.
template <Rows kPair, class D>
EDDY_INLINE void input_pair(Vec& upper, Vec& lower, D&& d) {
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
EDDY_INLINE void output_gradient_pair(Vec& upper, Vec& lower, Y&& y) {
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
EDDY_INLINE void input_1d(Vec* d) {
  Vec r[6];
  const auto at = [&](int i) { return d[i]; };
  input_pair<Rows::outer>(r[0], r[5], at);
  input_pair<Rows::one>(r[1], r[2], at);
  input_pair<Rows::two>(r[3], r[4], at);
  for (int i = 0; i < 6; ++i) d[i] = r[i];
}
EDDY_INLINE void output_gradient_1d(Vec* y) {
  Vec r[6];
  const auto at = [&](int i) { return y[i]; };
  output_gradient_pair<Rows::outer>(r[0], r[5], at);
  output_gradient_pair<Rows::one>(r[1], r[2], at);
  output_gradient_pair<Rows::two>(r[3], r[4], at);
  for (int i = 0; i < 6; ++i) y[i] = r[i];
}

// Two rows of a transformed tile.
template <Rows kPair>
EDDY_INLINE void store_pair(float* v, std::int64_t stride, const Vec* upper, const Vec* lower) {
#pragma GCC unroll 6
  for (int j = 0; j < 6; ++j) {
    store(v + (upper_row(kPair) * 6 + j) * stride, upper[j]);
    store(v + (lower_row(kPair) * 6 + j) * stride, lower[j]);
  }
}

// Values 0 and 2 of A^T m, or 1 and 3.
template <bool kEven, class M>
EDDY_INLINE void output_pair(Vec& upper, Vec& lower, M&& m) {
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
EDDY_INLINE void transform_input_pair(const TileRows<6>& rows, std::int64_t column, std::int64_t width, std::int64_t in,
                                      std::int64_t c, float* v, std::int64_t stride) {
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
  store_pair<kPair>(v, stride, upper, lower);
}

template <bool kBorder>
inline void transform_input(const Winograd& w, const Winograd::Place& at, Channels channels, const float* x, float* v,
                            std::int64_t stride) {
  const ConvShape& s = w.s;
  const std::int64_t column = at.column - s.pad_left;
  const TileRows<6> rows(x + at.sample * s.height * s.width * s.in, at.row - s.pad_top, s.height, s.width * s.in);
  for (std::int64_t c = channels.first; c < channels.end; c += kWidth, v += kWidth) {
    transform_input_pair<Rows::outer, kBorder>(rows, column, s.width, s.in, c, v, stride);
    transform_input_pair<Rows::one, kBorder>(rows, column, s.width, s.in, c, v, stride);
    transform_input_pair<Rows::two, kBorder>(rows, column, s.width, s.in, c, v, stride);
  }
}

// The 6x6 input of a tile, transformed: v[plane * stride + channel - channels.first].
inline void transform_input(const Winograd& w, std::int64_t tile, Channels channels, const float* x, float* v,
                            std::int64_t stride) {
  const Winograd::Place at = w.place(tile);
  const std::int64_t row = at.row - w.s.pad_top, column = at.column - w.s.pad_left;
  const bool inside = row >= 0 && column >= 0 && row + 6 <= w.s.height && column + 6 <= w.s.width;
  inside ? transform_input<false>(w, at, channels, x, v, stride) : transform_input<true>(w, at, channels, x, v, stride);
}

// What is added to an output. All may be null.
struct OutputTerms {
  const float *bias, *sample_bias, *residual;
};

// A tile of the output; all point at the first value.
struct OutputTile {
  OutputTerms add;
  float* y;
  std::int64_t rows, columns, row_floats, pixel_floats;
};

// Output rows 0 and 2 of a tile, or 1 and 3, channels k to k + kWidth, n of them there.
template <bool kEven, bool kWhole>
EDDY_INLINE void transform_output_pair(const OutputTile& t, std::int64_t k, std::int64_t n, const float* m, std::int64_t stride) {
  Vec rows[2][6];
#pragma GCC unroll 6
  for (int j = 0; j < 6; ++j) {
    output_pair<kEven>(rows[0][j], rows[1][j], [&](int i) { return load(m + (i * 6 + j) * stride); });
  }
  const Vec b = t.add.bias ? load_up_to(t.add.bias + k, n) : zero();
  const Vec sb = t.add.sample_bias ? load_up_to(t.add.sample_bias + k, n) : zero();
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
      const std::int64_t offset = i * t.row_floats + j * t.pixel_floats + k;
      Vec value = o[j];
      if (t.add.bias) value += b;
      if (t.add.sample_bias) value += sb;
      if (t.add.residual) value += load_up_to(t.add.residual + offset, n);
      store_up_to(t.y + offset, value, n);
    }
  }
}

template <bool kWhole>
inline void transform_output(const OutputTile& t, Channels channels, const float* m, std::int64_t stride) {
  for (std::int64_t k = channels.first; k < channels.end; k += kWidth, m += kWidth) {
    transform_output_pair<true, kWhole>(t, k, channels.end - k, m, stride);
    transform_output_pair<false, kWhole>(t, k, channels.end - k, m, stride);
  }
}

// The 4x4 output of a tile from m[plane * stride + channel - channels.first].
inline void transform_output(const Winograd& w, std::int64_t tile, Channels channels, const float* m, std::int64_t stride,
                             const OutputTerms& add, float* y) {
  const ConvShape& s = w.s;
  const Winograd::Place at = w.place(tile);
  const std::int64_t base = ((at.sample * s.out_height + at.row) * s.out_width + at.column) * s.out;
  const OutputTile t{{add.bias, add.sample_bias ? add.sample_bias + at.sample * s.out : nullptr,
                      add.residual ? add.residual + base : nullptr},
                     y + base, s.out_height - at.row, s.out_width - at.column, s.out_width * s.out, s.out};
  t.rows >= 4 && t.columns >= 4 ? transform_output<true>(t, channels, m, stride)
                                : transform_output<false>(t, channels, m, stride);
}

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
