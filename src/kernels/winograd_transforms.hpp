// Winograd's F(4x4, 3x3) of tiles of pictures: B^T d B of the input, A^T M A to the output, A dY A^T of its gradient; the
// points are 0, 1, -1, 2, -2 and infinity. In registers, kWidth channels at a time, two rows of a tile at a time.
//
// What is 3 high or wide is F(3, 3) over all points but -2. Its U would be that of F(4, 3) times a + 2 at each finite point a;
// that stands in B^T instead, so U is the same for tiles of all sizes.
#pragma once

#include "kernels/winograd_tiles.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

// The six rows of a 6x6 transform in three pairs: a pair of rows of all columns stays in the registers of any set. What has three
// outputs has no row 4.
enum class Rows { outer, one, two };  // 0 and 5; 1 and 2 (points 1 and -1); 3 and 4 (points 2 and -2)

constexpr int upper_row(Rows rows) { return rows == Rows::outer ? 0 : rows == Rows::one ? 1 : 3; }
constexpr int lower_row(Rows rows) { return rows == Rows::outer ? 5 : rows == Rows::one ? 2 : 4; }
constexpr bool has_row(int outputs, int row) { return outputs == 4 || row != 4; }

// B^T d B of pixels of the input. Two of the values B^T d for 4 outputs or for 3; d(i) reads one, and only what is needed.
struct InputTransform {
  static constexpr int kBeyond = 2;  // pixels that a side has more than outputs
  template <Rows kPair, int kOutputs, class D>
  static EDDY_INLINE void pair(Vec& upper, Vec& lower, D&& d) {
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
};

// A dY A^T of the gradient of the outputs.
struct GradientTransform {
  static constexpr int kBeyond = 0;
  template <Rows kPair, int kOutputs, class Y>
  static EDDY_INLINE void pair(Vec& upper, Vec& lower, Y&& y) {
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
};

// All values in place of what they are made from.
template <class Transform, int kOutputs>
EDDY_INLINE void transform_row(Vec* d) {
  Vec r[6];
  const auto at = [&](int i) { return d[i]; };
  Transform::template pair<Rows::outer, kOutputs>(r[0], r[5], at);
  Transform::template pair<Rows::one, kOutputs>(r[1], r[2], at);
  Transform::template pair<Rows::two, kOutputs>(r[3], r[4], at);
  for (int i = 0; i < 6; ++i) {
    if (has_row(kOutputs, i)) d[i] = r[i];
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

// f.operator()<kHigh, kWide>() for the outputs of a tile.
template <class F>
EDDY_INLINE void with_outputs(const Winograd::Place& at, F&& f) {
  if (at.outputs_high == 4) {
    at.outputs_wide == 4 ? f.template operator()<4, 4>() : f.template operator()<4, 3>();
  } else {
    at.outputs_wide == 4 ? f.template operator()<3, 4>() : f.template operator()<3, 3>();
  }
}

// A picture of some channels.
struct Picture {
  const float* data;
  std::int64_t height, width, channels;
};

// A tile of kSide x kSide pixels: where its rows begin, and which columns are outside of the picture. A row that is outside is
// read from zeros, a column is not to be read.
template <int kSide>
struct PixelTile {
  static constexpr int kFloats = kSide * kSide * kWidth;  // of a copy
  const float* rows[kSide];
  unsigned outside = 0;   // a bit for each column
  std::int64_t channels;  // floats from pixel to pixel

  PixelTile(const Picture& p, std::int64_t row, std::int64_t column) : channels(p.channels) {
    alignas(64) static float zeros[kSide * kMostChannels];  // never written; const, it would take room in a program
    std::int64_t at = (row * p.width + column) * p.channels;
#pragma GCC unroll 6
    for (int i = 0; i < kSide; ++i, at += p.width * p.channels) {
      rows[i] = row + i >= 0 && row + i < p.height ? moved(p.data, static_cast<std::int64_t>(sizeof(float)) * at) : zeros;
      outside |= static_cast<unsigned>(column + i < 0 || column + i >= p.width) << i;
    }
  }
  // Channels from c on, fewer than kWidth, copied to pixels of kWidth: zeros behind them, and what is outside.
  PixelTile(const PixelTile& of, std::int64_t c, float* pixels) : channels(kWidth) {
    for (int i = 0; i < kSide; ++i) {
      rows[i] = pixels;
      for (int j = 0; j < kSide; ++j, pixels += kWidth) {
        const bool inside = !(of.outside >> j & 1);
        store(pixels, inside ? load_up_to(of.rows[i] + j * of.channels + c, of.channels - c) : zero());
      }
    }
  }
};

template <class Transform>
using TileOf = PixelTile<4 + Transform::kBeyond>;

// Two rows of a tile, kWidth channels from c on. Not kBorder: all columns are inside.
template <class Transform, Rows kPair, bool kBorder, int kHigh, int kWide>
EDDY_INLINE void transform_pair(const TileOf<Transform>& tile, std::int64_t c, float* to, const Places& places) {
  Vec upper[6], lower[6];
#pragma GCC unroll 6
  for (int j = 0; j < kWide + Transform::kBeyond; ++j, c += tile.channels) {
    c = hidden(c);
    if (kBorder && (tile.outside >> j & 1)) {
      upper[j] = lower[j] = zero();
    } else {
      Transform::template pair<kPair, kHigh>(upper[j], lower[j], [&](int i) { return load(tile.rows[i] + c); });
    }
  }
  transform_row<Transform, kWide>(upper);
  if (has_row(kHigh, lower_row(kPair))) transform_row<Transform, kWide>(lower);
  store_pair<kPair, kHigh, kWide>(to, places, upper, lower);
}

template <class Transform, bool kBorder, int kHigh, int kWide>
EDDY_INLINE void transform_vector(const TileOf<Transform>& tile, std::int64_t c, float* to, const Places& places) {
  transform_pair<Transform, Rows::outer, kBorder, kHigh, kWide>(tile, c, to, places);
  transform_pair<Transform, Rows::one, kBorder, kHigh, kWide>(tile, c, to, places);
  transform_pair<Transform, Rows::two, kBorder, kHigh, kWide>(tile, c, to, places);
}

template <class Transform, bool kBorder, int kHigh, int kWide>
inline void transform_pixels(const Picture& p, std::int64_t row, std::int64_t column, Range channels, float* to,
                             std::int64_t stride) {
  const TileOf<Transform> tile(p, row, column);
  const Places places(stride);
  std::int64_t c = channels.first;
  for (const std::int64_t whole = lower(channels.end, p.channels - kWidth + 1); c < whole; c += kWidth, to += kWidth) {
    transform_vector<Transform, kBorder, kHigh, kWide>(tile, c, to, places);
  }
  if (c < channels.end) {
    alignas(Vec) float pixels[TileOf<Transform>::kFloats];
    transform_vector<Transform, false, kHigh, kWide>({tile, c, pixels}, 0, to, places);
  }
}

// Pixels from (row, column) on, for a tile of outputs: to[plane * stride + channel - channels.first] of the places that it has.
template <class Transform>
inline void transform_pixels(const Winograd::Place& at, const Picture& p, std::int64_t row, std::int64_t column, Range channels,
                             float* to, std::int64_t stride) {
  const bool inside = column >= 0 && column + 4 + Transform::kBeyond <= p.width;
  with_outputs(at, [&]<int kHigh, int kWide>() {
    if constexpr (kHigh == 4 && kWide == 4) {
      if (inside) return transform_pixels<Transform, false, kHigh, kWide>(p, row, column, channels, to, stride);
    }
    transform_pixels<Transform, true, kHigh, kWide>(p, row, column, channels, to, stride);
  });
}

// The input of a tile, transformed.
inline void transform_input(const Winograd& w, const Winograd::Place& at, Range channels, const float* x, float* v,
                            std::int64_t stride) {
  const ConvShape& s = w.s;
  const Picture picture{x + at.sample * s.height * s.width * s.in, s.height, s.width, s.in};
  transform_pixels<InputTransform>(at, picture, at.row - s.pad_top, at.column - s.pad_left, channels, v, stride);
}

// The gradient of a tile's outputs, transformed.
inline void transform_gradient(const Winograd& w, const Winograd::Place& at, Range channels, const float* dy, float* z,
                               std::int64_t stride) {
  const ConvShape& s = w.s;
  const Picture picture{dy + at.sample * s.out_height * s.out_width * s.out, s.out_height, s.out_width, s.out};
  transform_pixels<GradientTransform>(at, picture, at.row, at.column, channels, z, stride);
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

// What is added to an output. All may be null.
struct OutputTerms {
  const float *bias, *sample_bias, *residual;
};

// A tile of the output; both point at its first value. No residual: null.
struct OutputTile {
  const float* residual;
  float* y;
  std::int64_t row_floats, pixel_floats;
};

// Output rows 0 and 2 of a tile, or 1 and 3, channels k to k + kWidth. `bias` is added where both points are 1: from that place
// it reaches each output once.
template <bool kEven, int kHigh, int kWide>
EDDY_INLINE void transform_output_pair(const OutputTile& t, std::int64_t k, Vec bias, const float* m, const Places& places) {
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
    if (i >= kHigh) continue;
    Vec o[4];
    const auto at = [&](int j) { return rows[r][j]; };
    output_pair<true, kWide>(o[0], o[2], at);
    output_pair<false, kWide>(o[1], o[3], at);
    const std::int64_t offset = i * t.row_floats + k;
    const auto each_pixel = [&](auto* data, auto&& f) {
      data = hidden(data + offset);
#pragma GCC unroll 4
      for (int j = 0; j < kWide; ++j) f(data + j * t.pixel_floats, o[j]);
    };
    if (t.residual) each_pixel(t.residual, [](const float* p, Vec& value) { value += load(p); });
    each_pixel(t.y, [](float* p, Vec value) { store(p, value); });
  }
}

template <int kHigh, int kWide>
EDDY_INLINE void transform_output_vector(const OutputTile& t, std::int64_t k, Vec bias, const float* m, const Places& places) {
  transform_output_pair<true, kHigh, kWide>(t, k, bias, m, places);
  transform_output_pair<false, kHigh, kWide>(t, k, bias, m, places);
}

// `rows` and `columns` of the picture are left from the tile's first on.
template <int kHigh, int kWide>
inline void transform_output(const OutputTile& t, const OutputTerms& add, std::int64_t rows, std::int64_t columns,
                             Range channels, const float* m, std::int64_t stride) {
  const Places places(stride);
  const auto bias = [&](std::int64_t k, std::int64_t n) {
    const auto term = [&](const float* of) { return of ? load_up_to(of + k, n) : zero(); };
    return term(add.bias) + term(add.sample_bias);
  };
  std::int64_t k = channels.first;
  if (rows >= kHigh && columns >= kWide) {
    for (; k + kWidth <= channels.end; k += kWidth, m += kWidth) {
      transform_output_vector<kHigh, kWide>(t, k, bias(k, kWidth), m, places);
    }
  }
  for (; k < channels.end; k += kWidth, m += kWidth) {  // channels, rows or columns are lacking
    const std::int64_t n = channels.end - k;
    alignas(Vec) float all[kHigh * kWide * kWidth];
    transform_output_vector<kHigh, kWide>({nullptr, all, kWide * kWidth, kWidth}, 0, bias(k, n), m, places);
    for (std::int64_t i = 0; i < lower(rows, kHigh); ++i) {
      for (std::int64_t j = 0; j < lower(columns, kWide); ++j) {
        const std::int64_t at = i * t.row_floats + j * t.pixel_floats + k;
        const Vec value = load(all + (i * kWide + j) * kWidth);
        store_up_to(t.y + at, t.residual ? value + load_up_to(t.residual + at, n) : value, n);
      }
    }
  }
}

// The output of a tile from m[plane * stride + channel - channels.first] of the places that it has.
inline void transform_output(const Winograd& w, const Winograd::Place& at, Range channels, const float* m, std::int64_t stride,
                             const OutputTerms& add, float* y) {
  const ConvShape& s = w.s;
  const std::int64_t base = ((at.sample * s.out_height + at.row) * s.out_width + at.column) * s.out;
  const OutputTile t{add.residual ? add.residual + base : nullptr, y + base, s.out_width * s.out, s.out};
  const OutputTerms of_sample{add.bias, add.sample_bias ? add.sample_bias + at.sample * s.out : nullptr, nullptr};
  with_outputs(at, [&]<int kHigh, int kWide>() {
    transform_output<kHigh, kWide>(t, of_sample, s.out_height - at.row, s.out_width - at.column, channels, m, stride);
  });
}

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
