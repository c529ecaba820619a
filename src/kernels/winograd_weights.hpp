// Winograd's weights: G g G^T of (out, in, 3, 3) in panels for products, and G^T dU G back.
#pragma once

#include "kernels/conv2d.hpp"
#include "kernels/gemm.hpp"
#include "kernels/transpose.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

// G g: three values to six.
EDDY_INLINE void weight_1d(Vec* u, Vec g0, Vec g1, Vec g2) {
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
EDDY_INLINE void weight_gradient_1d(Vec* g, Vec u0, Vec u1, Vec u2, Vec u3, Vec u4, Vec u5) {
  const Vec sixth = fill(1.0f / 6), c24 = fill(1.0f / 24), c12 = fill(1.0f / 12);
  const Vec a = u1 + u2, b = u2 - u1, c = u3 + u4, d = u3 - u4;
  g[0] = fma(fill(0.25f), u0, fma(c24, c, -sixth * a));
  g[1] = fma(c12, d, sixth * b);
  g[2] = fma(sixth, c, fma(-sixth, a, u5));
}

// Weights as a right factor: rows are the channels that are summed over, columns those that come out.
struct Kernels3x3 {
  const float* data;      // (out, in, 3, 3)
  std::int64_t out, in;
  bool turned;            // by 180 degrees and from out to in: what carries gradients back
  std::int64_t rows() const { return turned ? out : in; }
  std::int64_t columns() const { return turned ? in : out; }
};

// The taps of kWidth x kWidth pairs of channels: tap t of (row, all columns) at [row * 9 + t], or turned [t * kWidth + row].
struct TapBlock {
  Vec taps[9 * kWidth];

  // `outs` of the output channels from `out` on and `ins` of the input channels from `in` on are there.
  EDDY_INLINE void read(const Kernels3x3& w, std::int64_t out, std::int64_t outs, std::int64_t in, std::int64_t ins) {
    for (int part = 0; part < 9; ++part) {  // kWidth of the 9 ins floats of each output channel
      Vec rows[kWidth];
      const std::int64_t left = 9 * ins - part * kWidth;
#pragma GCC unroll 16
      for (int o = 0; o < kWidth; ++o) {
        const float* p = w.data + ((out + o) * w.in + in) * 9 + part * kWidth;
        rows[o] = o < outs && left > 0 ? load_up_to(p, left) : zero();
      }
      transpose(rows);
#pragma GCC unroll 16
      for (int i = 0; i < kWidth; ++i) taps[part * kWidth + i] = rows[i];
    }
  }
  // From (in, tap) with the output channels as lanes to (tap, out) with the input channels as lanes.
  EDDY_INLINE void turn(const TapBlock& from) {
    for (int t = 0; t < 9; ++t) {
      Vec rows[kWidth];
#pragma GCC unroll 16
      for (int i = 0; i < kWidth; ++i) rows[i] = from.taps[i * 9 + t];
      transpose(rows);
#pragma GCC unroll 16
      for (int i = 0; i < kWidth; ++i) taps[(8 - t) * kWidth + i] = rows[i];
    }
  }
};

// The 36 places of one row of a panel, kWidth columns: put(place, values).
template <class Put>
EDDY_INLINE void transform_taps(const Vec* g, int step, Put&& put) {
  Vec rows[6][3];
#pragma GCC unroll 3
  for (int j = 0; j < 3; ++j) {
    Vec column[6];
    weight_1d(column, g[j * step], g[(3 + j) * step], g[(6 + j) * step]);
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) rows[i][j] = column[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < 6; ++i) {
    Vec row[6];
    weight_1d(row, rows[i][0], rows[i][1], rows[i][2]);
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) put(i * 6 + j, row[j]);
  }
}

// kWidth rows, or up to `end`, of kWidth columns.
struct TapRows {
  TapBlock block;
  std::int64_t rows;
  bool turned;
  const float* next;  // what the next rows are read from, kWidth stretches of 9 kWidth floats at this distance
  std::int64_t distance;

  EDDY_INLINE TapRows(const Kernels3x3& w, std::int64_t row, std::int64_t end, std::int64_t column)
      : rows(lower(kWidth, end - row)),
        turned(w.turned),
        next(w.data + (turned ? (row + kWidth) * w.in + column : column * w.in + row + kWidth) * 9),
        distance(w.in * 9) {
    const std::int64_t columns = lower(kWidth, w.columns() - column);
    if (turned) {
      TapBlock straight;
      straight.read(w, row, rows, column, columns);
      block.turn(straight);
    } else {
      block.read(w, column, columns, row, rows);
    }
  }
  template <class Put>
  EDDY_INLINE void transform(std::int64_t r, Put&& put) const {
    for (int line = 0; line < 9; ++line) __builtin_prefetch(next + r * distance + line * kWidth);
    turned ? transform_taps(block.taps + r, kWidth, put) : transform_taps(block.taps + r * 9, 1, put);
  }
};

// Rows [first, end) of the panel of columns that begins at `column`: u[place * stride + (row - first) * kPanel + column].
inline void transform_weights(const Kernels3x3& w, std::int64_t column, std::int64_t first, std::int64_t end, float* u,
                              std::int64_t stride) {
  for (std::int64_t row = first; row < end; row += kWidth) {
    for (int half = 0; half < kPanel; half += kWidth) {
      const TapRows taps(w, row, end, column + half);
      for (std::int64_t r = 0; r < taps.rows; ++r) {
        float* to = u + (row - first + r) * kPanel + half;
        taps.transform(r, [&](int place, Vec v) { store(to + place * stride, v); });
      }
    }
  }
}

// The nine taps of n channels, which are lanes, behind each other: to[channel * 9 + tap].
EDDY_INLINE void store_taps(const Vec* taps, std::int64_t n, float* to) {
#pragma GCC unroll 3
  for (int first = 0; first < 9; first += kWidth) {
    if (first == 8) {  // one tap is left
      for (std::int64_t i = 0; i < n; ++i) to[i * 9 + 8] = taps[8][i];
      break;
    }
    Vec rows[kWidth];
#pragma GCC unroll 16
    for (int i = 0; i < kWidth; ++i) rows[i] = first + i < 9 ? taps[first + i] : zero();
    transpose(rows);
#pragma GCC unroll 16
    for (int i = 0; i < kWidth; ++i) {
      if (i < n) store_up_to(to + i * 9 + first, rows[i], 9 - first);
    }
  }
}

// dW (in, 3, 3) of one output channel from du[place * stride + in].
inline void untransform_weight(std::int64_t in, const float* du, std::int64_t stride, float* dw) {
  for (std::int64_t c = 0; c < in; c += kWidth) {
    const std::int64_t n = in - c;
    Vec u[6][3];
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) {
      const float* p = du + i * 6 * stride + c;
      const auto at = [&](int j) { return load_up_to(p + j * stride, n); };
      weight_gradient_1d(u[i], at(0), at(1), at(2), at(3), at(4), at(5));
    }
    Vec taps[9];
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) {
      Vec g[3];
      weight_gradient_1d(g, u[0][j], u[1][j], u[2][j], u[3][j], u[4][j], u[5][j]);
#pragma GCC unroll 3
      for (int i = 0; i < 3; ++i) taps[i * 3 + j] = g[i];
    }
    store_taps(taps, lower(kWidth, n), dw + c * 9);
  }
}

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
