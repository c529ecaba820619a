// Winograd's F(4x4, 3x3) of tiles of pictures: B^T d B of the input, A^T M A to the output, A dY A^T of its gradient; the
// points are 0, 1, -1, 2, -2 and infinity. In registers, kWidth channels at a time, two rows of a tile at a time.
//
// Where 4 does not divide a side, tiles are 3 high or wide there: F(3, 3) has all points but -2. Its U would be that of F(4, 3)
// times a + 2 at each finite point a; that stands in B^T instead, so U is the same for tiles of all sizes.
#pragma once

#include "kernels/conv2d.hpp"
#include "kernels/gemm.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

// At least so many floats, an odd number of cache lines: at even distances the places of a tile fall into few sets of the cache.
constexpr std::int64_t odd_lines(std::int64_t floats) { return (ceil_div(floats, 16) | 1) * 16; }

// Floats from one plane to the next.
constexpr std::int64_t plane(std::int64_t count, std::int64_t row) { return odd_lines(count * row); }

constexpr std::int64_t kMostChannels = 4096;  // zeros for so many stand for what is outside of a picture

inline bool use_winograd(const ConvShape& s) {
  return s.kernel_height == 3 && s.kernel_width == 3 && s.stride == 1 && s.in >= 4 && s.in <= kMostChannels &&
         s.out <= kMostChannels && s.out_height * s.out_width >= 9 && s.pad_top <= 2 && s.pad_left <= 2;
}

// The convolution that carries gradients back where there is one: from out to in channels, weights turned by 180 degrees.
inline bool has_transposed(const ConvShape& s) {
  return s.stride == 1 && s.pad_top < s.kernel_height && s.pad_left < s.kernel_width;
}
inline ConvShape transposed(const ConvShape& s) {
  return {.n = s.n, .height = s.out_height, .width = s.out_width, .in = s.out, .out = s.in, .out_height = s.height,
          .out_width = s.width, .kernel_height = s.kernel_height, .kernel_width = s.kernel_width, .stride = 1,
          .pad_top = s.kernel_height - 1 - s.pad_top, .pad_left = s.kernel_width - 1 - s.pad_left};
}

constexpr std::int64_t kOwnTiles = 16;  // tiles, at most, whose V each slot makes for itself: sooner made than fetched

// A side of a picture: tiles of 4 outputs, then tiles of 3. Only sides of 1, 2 and 5 have fewer outputs than that.
struct Side {
  std::int64_t large, small;
  Side(std::int64_t length, bool mixed) {
    const std::int64_t all = ceil_div(length, 4);
    small = mixed ? lower(all, 4 * all - length) : 0;
    large = all - small;
  }
  std::int64_t tiles() const { return large + small; }
  int outputs(std::int64_t i) const { return i < large ? 4 : 3; }
  std::int64_t first_output(std::int64_t i) const { return 3 * i + lower(i, large); }
  // Tiles of so many outputs, of all and before tile i.
  std::int64_t count(int outputs) const { return outputs == 4 ? large : small; }
  std::int64_t before(int outputs, std::int64_t i) const { return outputs == 4 ? lower(i, large) : i - lower(i, large); }
};

// How pictures fall into tiles.
struct Winograd {
  ConvShape s;
  Side high, wide;
  std::int64_t of_picture, tiles;
  std::int64_t in_pad, out_pad;  // channels in whole panels

  // Not mixed: all tiles are of 4x4 outputs, over the edge where the picture ends before.
  explicit Winograd(const ConvShape& shape, bool mixed = true)
      : s(shape), high(s.out_height, mixed), wide(s.out_width, mixed), of_picture(high.tiles() * wide.tiles()),
        tiles(s.n * of_picture), in_pad(round_up(s.in, kPanel)), out_pad(round_up(s.out, kPanel)) {}

  struct Place {
    std::int64_t sample, tile_row, tile_column;
    std::int64_t row, column;        // of its first output
    int outputs_high, outputs_wide;  // 4 or 3
  };
  Place place(std::int64_t tile) const {
    const std::int64_t sample = tile / of_picture, rest = tile - sample * of_picture, r = rest / wide.tiles();
    const std::int64_t c = rest - r * wide.tiles();
    return {sample, r, c, high.first_output(r), wide.first_output(c), high.outputs(r), wide.outputs(c)};
  }
  // Tiles of a size before a place.
  std::int64_t before(int outputs_high, int outputs_wide, const Place& at) const {
    return (at.sample * high.count(outputs_high) + high.before(outputs_high, at.tile_row)) * wide.count(outputs_wide) +
           (at.outputs_high == outputs_high ? wide.before(outputs_wide, at.tile_column) : 0);
  }
};

// From a first one up to an end: channels, tiles.
struct Range {
  std::int64_t first, end;
  std::int64_t count() const { return end - first; }
};

// The rows of planes that hold some tiles: 4x3, 4x4, 3x4, then 3x3 outputs, so that tiles that have a place lie side by side.
struct PlaneRows {
  const Winograd& w;
  std::int64_t begin[5], before[4];  // rows of each size, and tiles of it before the first

  PlaneRows(const Winograd& of, Range tiles) : w(of) {
    const Winograd::Place first = w.place(tiles.first), end = w.place(tiles.end);
    begin[0] = 0;
    for (int k = 0; k < 4; ++k) {
      before[k] = w.before(outputs_high(k), outputs_wide(k), first);
      begin[k + 1] = begin[k] + w.before(outputs_high(k), outputs_wide(k), end) - before[k];
    }
  }
  std::int64_t row(const Winograd::Place& at) const {
    const int k = at.outputs_high == 4 ? at.outputs_wide - 3 : 6 - at.outputs_wide;
    return begin[k] + w.before(at.outputs_high, at.outputs_wide, at) - before[k];
  }
  // Rows that have place i, j of the 6x6: what is 3 high has no i = 4, what is 3 wide no j = 4.
  Range of(std::int64_t place) const {
    const bool all_high = place / 6 != 4, all_wide = place % 6 != 4;
    return {begin[all_wide ? 0 : 1], begin[all_high ? all_wide ? 4 : 3 : 2]};
  }

 private:
  static int outputs_high(int k) { return k < 2 ? 4 : 3; }
  static int outputs_wide(int k) { return k == 1 || k == 2 ? 4 : 3; }
};

// Calls pictures that tiles read or write into the cache, ahead of the tiles: with each tile its share of the pixels, where tiles
// two rows of tiles further on begin. The shares follow each other in memory, and that the CPU's own prefetchers help with; a
// tile's rows are too short for them.
class PicturesAhead {
 public:
  static PicturesAhead of_inputs(const Winograd& w, const float* x, Range channels) {
    return {w, x, w.s.height * w.s.width, w.s.in, channels};
  }
  static PicturesAhead of_outputs(const Winograd& w, const float* y, Range channels) {
    return {w, y, w.s.out_height * w.s.out_width, w.s.out, channels};
  }
  EDDY_INLINE void call(const Winograd::Place& at) const {
    std::int64_t picture = at.sample, tile = (at.tile_row + 2) * w_.wide.tiles() + at.tile_column;
    for (; tile >= w_.of_picture; tile -= w_.of_picture) ++picture;
    if (picture >= w_.s.n) return;
    const float* begin = data_ + picture * pixels_ * pixel_floats_;
    for (std::int64_t pixel = tile * share_; pixel < lower(pixels_, (tile + 1) * share_); ++pixel) {
      for (std::int64_t c = channels_.first; c < channels_.end; c += 16) __builtin_prefetch(begin + pixel * pixel_floats_ + c);
    }
  }

 private:
  PicturesAhead(const Winograd& w, const float* data, std::int64_t pixels, std::int64_t pixel_floats, Range channels)
      : w_(w), data_(data), pixels_(pixels), pixel_floats_(pixel_floats), share_(ceil_div(pixels, w.of_picture)),
        channels_(channels) {}

  const Winograd& w_;
  const float* data_;
  std::int64_t pixels_, pixel_floats_, share_;
  Range channels_;
};

// The six rows of a 6x6 transform in three pairs: a pair of rows of all columns stays in the registers of any set. What has three
// outputs has no row 4.
enum class Rows { outer, one, two };  // 0 and 5; 1 and 2 (points 1 and -1); 3 and 4 (points 2 and -2)

constexpr int upper_row(Rows rows) { return rows == Rows::outer ? 0 : rows == Rows::one ? 1 : 3; }
constexpr int lower_row(Rows rows) { return rows == Rows::outer ? 5 : rows == Rows::one ? 2 : 4; }
constexpr bool has_row(int outputs, int row) { return outputs == 4 || row != 4; }

// Two of the values B^T d for 4 outputs or for 3; d(i) reads one, and only what is needed is read.
template <Rows kPair, int kOutputs, class D>
EDDY_INLINE void input_pair(Vec& upper, Vec& lower, D&& d) {
  if constexpr (kOutputs == 4 && kPair == Rows::outer) {
    upper = fma(fill(4), d(0), fma(fill(-5), d(2), d(4)));
    lower = fma(fill(4), d(1), fma(fill(-5), d(3), d(5)));
  } else if constexpr (kOutputs == 4 && kPair == Rows::one) {
    const Vec a = fma(fill(-4), d(2), d(4)), b = fma(fill(-4), d(1), d(3));
    upper = a + b;
    lower = a - b;
  } else if constexpr (kOutputs == 4) {
    const Vec c = d(4) - d(2), e = d(3) - d(1);
    upper = fma(fill(2), e, c);
    lower = fma(fill(-2), e, c);
  } else if constexpr (kPair == Rows::outer) {
    const Vec d2 = d(2), e = fill(2) * (d(1) - d(3));
    upper = fma(fill(4), d(0) - d2, -e);
    lower = (d(4) - d2) + e;
  } else if constexpr (kPair == Rows::one) {
    const Vec d1 = d(1), d2 = d(2), d3 = d(3);
    upper = fill(3) * fma(fill(-2), d1, d3 - d2);
    lower = fma(fill(-3), d2, fma(fill(2), d1, d3));
  } else {
    upper = fill(4) * (d(3) - d(1));
  }
}

// Two of the values A y of four or three.
template <Rows kPair, int kOutputs, class Y>
EDDY_INLINE void output_gradient_pair(Vec& upper, Vec& lower, Y&& y) {
  if constexpr (kPair == Rows::outer) {
    upper = y(0);
    lower = y(kOutputs - 1);
  } else if constexpr (kPair == Rows::one) {
    const Vec even = y(0) + y(2), odd = kOutputs == 4 ? y(1) + y(3) : y(1);
    upper = even + odd;
    lower = even - odd;
  } else if constexpr (kOutputs == 4) {
    const Vec y1 = y(1), even = fma(fill(4), y(2), y(0)), odd = fma(fill(8), y(3), y1 + y1);
    upper = even + odd;
    lower = even - odd;
  } else {
    upper = fma(fill(4), y(2), fma(fill(2), y(1), y(0)));
  }
}

// All of them in place of what they are made from.
template <int kOutputs>
EDDY_INLINE void input_1d(Vec* d) {
  Vec r[6];
  const auto at = [&](int i) { return d[i]; };
  input_pair<Rows::outer, kOutputs>(r[0], r[5], at);
  input_pair<Rows::one, kOutputs>(r[1], r[2], at);
  input_pair<Rows::two, kOutputs>(r[3], r[4], at);
  for (int i = 0; i < 6; ++i) {
    if (has_row(kOutputs, i)) d[i] = r[i];
  }
}
template <int kOutputs>
EDDY_INLINE void output_gradient_1d(Vec* y) {
  Vec r[6];
  const auto at = [&](int i) { return y[i]; };
  output_gradient_pair<Rows::outer, kOutputs>(r[0], r[5], at);
  output_gradient_pair<Rows::one, kOutputs>(r[1], r[2], at);
  output_gradient_pair<Rows::two, kOutputs>(r[3], r[4], at);
  for (int i = 0; i < 6; ++i) {
    if (has_row(kOutputs, i)) y[i] = r[i];
  }
}

// A pointer or an index that compilers do not see through. Loops over tiles reach a hundred addresses by a few steps; seen
// through, all are computed beforehand, more than there are registers for, and fetched back from memory one by one.
template <class T>
EDDY_INLINE T hidden(T x) {
  __asm__ volatile("" : "+r"(x));
  return x;
}

// Where it may point out of an array, too, as long as nothing is read there.
template <class T>
EDDY_INLINE T* moved(T* p, std::int64_t bytes) {
  return reinterpret_cast<T*>(reinterpret_cast<std::uintptr_t>(p) + static_cast<std::uintptr_t>(bytes));
}

// The way from place to place of a transformed tile. Three registers reach all rows, as addresses of x86 hold one times 1, 2, 4.
class Places {
 public:
  EDDY_INLINE explicit Places(std::int64_t stride)
      : column_(kBytes * stride),
        row_(hidden(6 * kBytes * stride)),
        row3_(hidden(18 * kBytes * stride)),
        row5_(hidden(30 * kBytes * stride)) {}
  // The place i rows further on, and the next of the same row.
  template <class T>
  EDDY_INLINE T* row(T* p, int i) const {
    return moved(p, i == 3 ? row3_ : i == 5 ? row5_ : i * row_);
  }
  template <class T>
  EDDY_INLINE T* next(T* p) const {
    return hidden(moved(p, column_));
  }

 private:
  static constexpr std::int64_t kBytes = sizeof(float);
  std::int64_t column_, row_, row3_, row5_;
};

// Two rows of a transformed tile.
template <Rows kPair, int kHigh, int kWide>
EDDY_INLINE void store_pair(float* v, const Places& places, const Vec* upper, const Vec* lower) {
  constexpr bool kBoth = has_row(kHigh, lower_row(kPair));
  float* u = hidden(places.row(v, upper_row(kPair)));
  float* l = places.row(v, lower_row(kPair));
  if (kBoth) l = hidden(l);
#pragma GCC unroll 6
  for (int j = 0; j < 6; ++j) {
    if (has_row(kWide, j)) {
      store(u, upper[j]);
      if (kBoth) store(l, lower[j]);
    }
    u = places.next(u);
    if (kBoth) l = places.next(l);
  }
}

// Values 0 and 2 of A^T m, or 1 and 3, of four or three.
template <bool kEven, int kOutputs, class M>
EDDY_INLINE void output_pair(Vec& upper, Vec& lower, M&& m) {
  const Vec m1 = m(1), m2 = m(2), m3 = m(3);
  if constexpr (kOutputs == 4) {
    const Vec m4 = m(4);
    if constexpr (kEven) {
      const Vec a = m1 + m2, c = m3 + m4;
      upper = (m(0) + a) + c;
      lower = fma(fill(4), c, a);
    } else {
      const Vec b = m1 - m2, d = m3 - m4;
      upper = fma(fill(2), d, b);
      lower = fma(fill(8), d, b) + m(5);
    }
  } else if constexpr (kEven) {
    const Vec a = m1 + m2;
    upper = (m(0) + a) + m3;
    lower = fma(fill(4), m3, a) + m(5);
  } else {
    upper = fma(fill(2), m3, m1 - m2);
  }
}

// f.operator()<kHigh, kWide>() for the outputs of a tile.
template <class F>
EDDY_INLINE void with_outputs(const Winograd::Place& at, F&& f) {
  if (at.outputs_high == 4) {
    at.outputs_wide == 4 ? f.template operator()<4, 4>() : f.template operator()<4, 3>();
  } else {
    at.outputs_wide == 4 ? f.template operator()<3, 4>() : f.template operator()<3, 3>();
  }
}

// A tile of kSide x kSide pixels: where its rows begin, and which columns are outside of the picture. A row that is outside is
// read from zeros, a column is not to be read.
template <int kSide>
struct PixelTile {
  const float* rows[kSide];
  unsigned outside = 0;  // a bit for each column

  PixelTile(const float* sample, std::int64_t row, std::int64_t column, std::int64_t height, std::int64_t width,
            std::int64_t channels) {
    alignas(64) static float zeros[kSide * kMostChannels];  // never written; const, it would take room in a program
    std::int64_t at = (row * width + column) * channels;
#pragma GCC unroll 6
    for (int i = 0; i < kSide; ++i, at += width * channels) {
      rows[i] = row + i >= 0 && row + i < height ? moved(sample, static_cast<std::int64_t>(sizeof(float)) * at) : zeros;
      outside |= static_cast<unsigned>(column + i < 0 || column + i >= width) << i;
    }
  }
};

// Not kBorder: all columns are inside. Not kWhole: n channels.
template <Rows kPair, bool kBorder, bool kWhole, int kHigh, int kWide>
EDDY_INLINE void transform_input_pair(const PixelTile<6>& tile, std::int64_t pixel, std::int64_t c, std::int64_t n, float* v,
                                      const Places& places) {
  Vec upper[6], lower[6];
#pragma GCC unroll 6
  for (int j = 0; j < kWide + 2; ++j, c += pixel) {
    c = hidden(c);
    if (kBorder && (tile.outside >> j & 1)) {
      upper[j] = lower[j] = zero();
    } else {
      input_pair<kPair, kHigh>(upper[j], lower[j], [&](int i) {
        return load_first<kWhole>(tile.rows[i] + c, n);
      });
    }
  }
  input_1d<kWide>(upper);
  if (has_row(kHigh, lower_row(kPair))) input_1d<kWide>(lower);
  store_pair<kPair, kHigh, kWide>(v, places, upper, lower);
}

template <bool kBorder, bool kWhole, int kHigh, int kWide>
EDDY_INLINE void transform_input_vector(const PixelTile<6>& tile, std::int64_t pixel, std::int64_t c, std::int64_t n, float* v,
                                        const Places& places) {
  transform_input_pair<Rows::outer, kBorder, kWhole, kHigh, kWide>(tile, pixel, c, n, v, places);
  transform_input_pair<Rows::one, kBorder, kWhole, kHigh, kWide>(tile, pixel, c, n, v, places);
  transform_input_pair<Rows::two, kBorder, kWhole, kHigh, kWide>(tile, pixel, c, n, v, places);
}

template <bool kBorder, int kHigh, int kWide>
inline void transform_input(const Winograd& w, const Winograd::Place& at, Range channels, const float* x, float* v,
                            std::int64_t stride) {
  const ConvShape& s = w.s;
  const float* sample = x + at.sample * s.height * s.width * s.in;
  const PixelTile<6> tile(sample, at.row - s.pad_top, at.column - s.pad_left, s.height, s.width, s.in);
  const Places places(stride);
  std::int64_t c = channels.first;
  for (const std::int64_t whole = lower(channels.end, s.in - kWidth + 1); c < whole; c += kWidth, v += kWidth) {
    transform_input_vector<kBorder, true, kHigh, kWide>(tile, s.in, c, kWidth, v, places);
  }
  if (c < channels.end) transform_input_vector<true, false, kHigh, kWide>(tile, s.in, c, s.in - c, v, places);
}

// The input of a tile, transformed: v[plane * stride + channel - channels.first] of the places that it has.
inline void transform_input(const Winograd& w, const Winograd::Place& at, Range channels, const float* x, float* v,
                            std::int64_t stride) {
  const std::int64_t column = at.column - w.s.pad_left;
  const bool inside = column >= 0 && column + 6 <= w.s.width;
  with_outputs(at, [&]<int kHigh, int kWide>() {
    if constexpr (kHigh == 4 && kWide == 4) {
      if (inside) return transform_input<false, kHigh, kWide>(w, at, channels, x, v, stride);
    }
    transform_input<true, kHigh, kWide>(w, at, channels, x, v, stride);
  });
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

// Output rows 0 and 2 of a tile, or 1 and 3, channels k to k + kWidth. Not kWhole: n of them, of rows and columns that are there.
// `bias` is added where both points are 1: from that place it reaches each output once.
template <bool kEven, bool kWhole, int kHigh, int kWide>
EDDY_INLINE void transform_output_pair(const OutputTile& t, std::int64_t k, std::int64_t n, Vec bias, const float* m,
                                       const Places& places) {
  Vec rows[2][6];
#pragma GCC unroll 6
  for (int j = 0; j < 6; ++j, m = places.next(m)) {
    if (!has_row(kWide, j)) continue;
    output_pair<kEven, kHigh>(rows[0][j], rows[1][j], [&](int i) {
      const Vec value = load(places.row(m, i));
      return i == 1 && j == 1 ? value + bias : value;
    });
  }
#pragma GCC unroll 2
  for (int r = 0; r < 2; ++r) {
    const int i = 2 * r + (kEven ? 0 : 1);
    if (i >= kHigh || (!kWhole && i >= t.rows)) continue;
    Vec o[4];
    const auto at = [&](int j) { return rows[r][j]; };
    output_pair<true, kWide>(o[0], o[2], at);
    output_pair<false, kWide>(o[1], o[3], at);
    const std::int64_t offset = i * t.row_floats + k;
    const auto each_pixel = [&](auto* data, auto&& f) {
      data = hidden(data + offset);
#pragma GCC unroll 4
      for (int j = 0; j < kWide; ++j) {
        if (kWhole || j < t.columns) f(data + j * t.pixel_floats, o[j]);
      }
    };
    if (t.add.residual) {
      each_pixel(t.add.residual, [&](const float* p, Vec& value) { value += load_first<kWhole>(p, n); });
    }
    each_pixel(t.y, [&](float* p, Vec value) { store_first<kWhole>(p, value, n); });
  }
}

template <bool kWhole, int kHigh, int kWide>
EDDY_INLINE void transform_output_vector(const OutputTile& t, std::int64_t k, std::int64_t n, const float* m,
                                         const Places& places) {
  const auto term = [&](const float* of) { return of ? load_first<kWhole>(of + k, n) : zero(); };
  const Vec bias = term(t.add.bias) + term(t.add.sample_bias);
  transform_output_pair<true, kWhole, kHigh, kWide>(t, k, n, bias, m, places);
  transform_output_pair<false, kWhole, kHigh, kWide>(t, k, n, bias, m, places);
}

template <int kHigh, int kWide>
inline void transform_output(const OutputTile& t, Range channels, const float* m, std::int64_t stride) {
  const Places places(stride);
  std::int64_t k = channels.first;
  if (t.rows >= kHigh && t.columns >= kWide) {
    for (; k + kWidth <= channels.end; k += kWidth, m += kWidth) {
      transform_output_vector<true, kHigh, kWide>(t, k, kWidth, m, places);
    }
  }
  for (; k < channels.end; k += kWidth, m += kWidth) {
    transform_output_vector<false, kHigh, kWide>(t, k, channels.end - k, m, places);
  }
}

// The output of a tile from m[plane * stride + channel - channels.first] of the places that it has.
inline void transform_output(const Winograd& w, const Winograd::Place& at, Range channels, const float* m, std::int64_t stride,
                             const OutputTerms& add, float* y) {
  const ConvShape& s = w.s;
  const std::int64_t base = ((at.sample * s.out_height + at.row) * s.out_width + at.column) * s.out;
  const OutputTile t{{add.bias, add.sample_bias ? add.sample_bias + at.sample * s.out : nullptr,
                      add.residual ? add.residual + base : nullptr},
                     y + base, s.out_height - at.row, s.out_width - at.column, s.out_width * s.out, s.out};
  with_outputs(at, [&]<int kHigh, int kWide>() { transform_output<kHigh, kWide>(t, channels, m, stride); });
}

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
