// Winograd's 3x3 convolutions with products of digits: what winograd.hpp does, but that each plane of M = V U is multiplied in
// integer tiles, and that all tiles are of 4x4 outputs: rows are multiplied 16 at a time, so a few less spare little. A row of V
// (one place of one tile) has a scale of its own, and so has a column of U.
#pragma once

#include "kernels/digits.hpp"
#include "kernels/winograd_transforms.hpp"
#include "kernels/winograd_weights.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

constexpr std::int64_t kDigitGroup = 2 * kSide;  // tiles that one thread takes at a time
constexpr std::int64_t kFewDigitTiles = 48;      // of the fused way, at most

// V of some tiles: scales [place][tile], digits [place][digit][tile][inner index].
struct DigitRows {
  std::int64_t tiles, row;
  DigitRows(std::int64_t t, std::int64_t in) : tiles(round_up(t, kSide)), row(round_up(in, kInner)) {}
  std::int64_t digit() const { return tiles * row; }
  std::int64_t place() const { return 3 * digit() + kInner; }
  std::int64_t floats() const { return 36 * tiles + floats_for(36 * place()); }
  Digit* digits(float* memory) const { return reinterpret_cast<Digit*>(memory + 36 * tiles); }
};

bool fused_digits(const Winograd& w) { return !w.s.part && w.tiles <= kFewDigitTiles && w.s.out >= 4 * kPanel && w.s.in >= 64; }

// The memory of a slot: a tile of V in float, M of some columns, V, U of one panel (fused), whether V is made (own).
struct DigitPlan {
  Winograd w;
  bool fused, own;       // own: each slot makes V of the few tiles for itself, else they share it
  DigitRows v;
  DigitColumns u;
  std::int64_t columns;  // output channels whose M is there at a time

  explicit DigitPlan(const ConvShape& s)
      : w(s, false), fused(fused_digits(w)), own(fused && w.tiles <= kOwnTiles), v(fused ? w.tiles : kDigitGroup, s.in),
        u(36, s.in, fused ? kSide : s.out), columns(fused ? kSide : lower(round_up(s.out, kSide), s.in <= 128 ? 64 : 128)) {}
  std::int64_t tile_plane() const { return odd_lines(w.in_pad); }
  std::int64_t m_plane() const { return plane(v.tiles, columns); }
  std::int64_t shared() const { return fused && !own ? v.floats() : 0; }
  // Offsets.
  std::int64_t at_m() const { return 36 * tile_plane(); }
  std::int64_t at_v() const { return at_m() + 36 * m_plane(); }
  std::int64_t at_u() const { return at_v() + (shared() > 0 ? 0 : v.floats()); }
  std::int64_t at_made() const { return at_u() + (fused ? u.floats() : 0); }
  std::int64_t slot() const { return at_made() + (own ? kSide : 0); }
};

std::int64_t digit_scratch(const ConvShape& s, int slots) {
  const DigitPlan d(s);
  return d.shared() + slots * d.slot();
}
std::int64_t digit_packed(const ConvShape& s) {
  const DigitPlan d(s);
  return d.fused ? 0 : d.u.floats();
}

// One panel of U, the columns from `column` on, as panel `panel` of `u`.
inline void pack_panel(const Kernels3x3& weights, std::int64_t column, const DigitColumns& u, std::int64_t panel, float* packed) {
  const std::int64_t in = weights.rows();
  __m512i largest[36] = {};
  for (std::int64_t c = 0; c < in; c += kSide) {
    const TapRows taps(weights, c, in, column);
    for (std::int64_t r = 0; r < taps.rows; ++r) {
      taps.transform(r, [&](int place, Vec v) { largest[place] = larger(largest[place], (__m512)v); });
    }
  }
  __m512 to[36];
  for (int p = 0; p < 36; ++p) {
    const Scales scales = scales_of(largest[p]);
    to[p] = scales.to;
    _mm512_storeu_ps(packed + p * u.scales() + panel * kSide, scales.back);
  }
  Digit* begin = u.digits(packed) + panel * u.panel();
  for (std::int64_t c = round_up(in, kSide); c < u.steps * kInner; c += 4) {  // behind the last channel
    const __m512i none = _mm512_setzero_si512();
    for (int p = 0; p < 36; ++p) store_column_digits(none, none, none, none, begin + p * u.place() + u.at(c));
  }
  for (std::int64_t c = 0; c < in; c += kSide) {
    const TapRows taps(weights, c, in, column);
    for (std::int64_t r = 0; r < kSide; r += 4) {
      __m512i z[4][36];
      for (std::int64_t i = 0; i < 4; ++i) {
        if (r + i < taps.rows) {
          taps.transform(r + i, [&](int place, Vec v) { z[i][place] = digits((__m512)v, to[place]); });
        } else {
          for (int p = 0; p < 36; ++p) z[i][p] = _mm512_setzero_si512();
        }
      }
      Digit* at = begin + u.at(c + r);
      for (int p = 0; p < 36; ++p) store_column_digits(z[0][p], z[1][p], z[2][p], z[3][p], at + p * u.place());
    }
  }
}

void digit_pack(const Launch& launch, const ConvShape& s, const Kernels3x3& weights, float* packed) {
  const DigitColumns u(36, s.in, s.out);
  parallel(launch, u.panels, [&](std::int64_t panel, int) { pack_panel(weights, panel * kSide, u, panel, packed); });
}

// Row t of V at every place, from tile `tile`.
inline void make_rows(const DigitPlan& d, std::int64_t tile, std::int64_t t, const float* x, float* in_float, float* v) {
  const std::int64_t in = d.w.s.in, stride = d.tile_plane();
  transform_input(d.w, d.w.place(tile), {0, in}, x, in_float, stride);
  alignas(64) float to[48], back[48];
  for (std::int64_t p = 0; p < 36; p += kSide) {
    __m512i largest[16];
    for (std::int64_t i = 0; i < kSide; ++i) {
      largest[i] = p + i < 36 ? largest_of(in_float + (p + i) * stride, in) : _mm512_setzero_si512();
    }
    const Scales scales = scales_of(largest_lanes(largest));
    _mm512_store_ps(to + p, scales.to);
    _mm512_store_ps(back + p, scales.back);
  }
  Digit* rows = d.v.digits(v) + t * d.v.row;
  for (std::int64_t p = 0; p < 36; ++p, rows += d.v.place()) {
    v[p * d.v.tiles + t] = back[p];
    store_row_digits(in_float + p * stride, in, to[p], rows, d.v.digit(), d.v.row);
  }
}

// M of up to 32 tiles from t on, panels [first, last) of U, at every place.
inline void multiply_places(const DigitPlan& d, std::int64_t t, std::int64_t count, float* v, const float* u, std::int64_t first,
                            std::int64_t last, float* m) {
  alignas(64) std::int32_t sums[2][2 * kSums];
  const std::int64_t panels = last - first, blocks = 36 * panels;
  const auto strip = [&](std::int64_t block) {
    return d.u.digits(u) + block / panels * d.u.place() + (first + block % panels) * d.u.panel();
  };
  const auto multiply = count > kSide ? multiply_digits<true> : multiply_digits<false>;
  // The sums of one block are joined while the tiles multiply the next.
  for (std::int64_t block = 0; block <= blocks; ++block) {
    if (block < blocks) {
      const Digit* rows = d.v.digits(v) + block / panels * d.v.place() + t * d.v.row;
      multiply(d.u.steps, rows, d.v.row, d.v.digit(), strip(block), strip(lower(block + 1, blocks - 1)), sums[block % 2]);
    }
    if (block > 0) {
      const std::int64_t p = (block - 1) / panels, panel = (block - 1) % panels;
      const __m512 columns = _mm512_loadu_ps(u + p * d.u.scales() + (first + panel) * kSide);
      const float* rows = v + p * d.v.tiles + t;
      float* to = m + p * d.m_plane() + t * d.columns + panel * kSide;
      for (std::int64_t i = 0; i < count; ++i, to += d.columns) {
        _mm512_storeu_ps(to, product_of(sums[(block - 1) % 2], i, rows[i], columns));
      }
    }
  }
}

void digits_fused(const Launch& launch, const DigitPlan& d, const float* x, const Kernels3x3& weights, const OutputTerms& add,
                  float* y, float* scratch) {
  const Winograd& w = d.w;
  float* slots = scratch + d.shared();
  for (int slot = 0; d.own && slot < launch.slots; ++slot) slots[slot * d.slot() + d.at_made()] = 0;
  if (!d.own) {
    parallel(launch, w.tiles, [&](std::int64_t t, int slot) { make_rows(d, t, t, x, slots + slot * d.slot(), scratch); });
  }
  parallel(launch, ceil_div(w.s.out, kSide), [&](std::int64_t panel, int slot) {
    const Unit unit;
    float* memory = slots + slot * d.slot();
    float* v = d.own ? memory + d.at_v() : scratch;
    float* m = memory + d.at_m();
    float* u = memory + d.at_u();
    if (d.own && memory[d.at_made()] == 0) {
      for (std::int64_t t = 0; t < w.tiles; ++t) make_rows(d, t, t, x, memory, v);
      memory[d.at_made()] = 1;
    }
    const std::int64_t column = panel * kSide;
    pack_panel(weights, column, d.u, 0, u);
    for (std::int64_t t = 0; t < w.tiles; t += 2 * kSide) {
      multiply_places(d, t, lower(2 * kSide, w.tiles - t), v, u, 0, 1, m);
    }
    for (std::int64_t t = 0; t < w.tiles; ++t) {
      transform_output(w, w.place(t), {column, lower(column + kSide, w.s.out)}, m + t * d.columns, d.m_plane(), add, y);
    }
  });
}

void digits_grouped(const Launch& launch, const DigitPlan& d, const float* x, const float* u, const OutputTerms& add, float* y,
                    float* scratch) {
  const Winograd& w = d.w;
  const std::int64_t share = ceil_div(w.tiles, launch.slots), groups = ceil_div(share, kDigitGroup);
  const std::int64_t each = lower(kDigitGroup, round_up(ceil_div(share, groups), kSide / 2)), all = ceil_div(w.tiles, each);
  // Fewer groups than threads: each is done by several, for some of the columns.
  const std::int64_t part = round_up(ceil_div(w.s.out, ceil_div(launch.slots, all)), kSide), splits = ceil_div(w.s.out, part);
  parallel(launch, all * splits, [&](std::int64_t task, int slot) {
    const Unit unit;
    const std::int64_t first = task / splits * each, count = lower(each, w.tiles - first);
    const std::int64_t begin = task % splits * part, last = lower(begin + part, w.s.out);
    float* memory = scratch + slot * d.slot();
    float* v = memory + d.at_v();
    float* m = memory + d.at_m();
    for (std::int64_t t = 0; t < count; ++t) make_rows(d, first + t, t, x, memory, v);
    for (std::int64_t column = begin; column < last; column += d.columns) {
      const std::int64_t end = lower(column + d.columns, last);
      multiply_places(d, 0, count, v, u, column / kSide, ceil_div(end, kSide), m);
      for (std::int64_t t = 0; t < count; ++t) {
        transform_output(w, w.place(first + t), {column, end}, m + t * d.columns, d.m_plane(), add, y);
      }
    }
  });
}

// u: from digit_pack, null where it has no length.
void digits_forward(const Launch& launch, const ConvShape& s, const float* x, const Kernels3x3& weights, const float* u,
                    const OutputTerms& add, float* y, float* scratch) {
  const DigitPlan d(s);
  if (d.w.tiles == 0) return;
  if (d.fused) return digits_fused(launch, d, x, weights, add, y, scratch);
  digits_grouped(launch, d, x, u, add, y, scratch);
}

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
