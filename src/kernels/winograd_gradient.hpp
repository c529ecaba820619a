// Gradients of the weights of 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3) [Lavin2016, 4.3].
//
//   dg = G^T dU G,  dU = sum over tiles (B^T d B) * (A dY A^T),  at each of the 36 places dU (out x in) = Z^T V
//
// Tiles are summed in pieces whose lengths the shape fixes, pieces in order within a part, parts in order: threads change
// nothing. Blocks of dU stay in the second-level cache while all tiles of a part pass by.
//   few tiles   V and Z of all are made once, and a thread carries a few output channels from Z and V to dg
//   many tiles  a thread makes V and Z of its block's channels, some tiles at a time
#pragma once

#include "kernels/winograd.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

// Floats from one tile to the next where columns are read down the tiles.
constexpr std::int64_t gradient_row(std::int64_t pad) { return pad < 64 ? pad : odd_lines(pad); }

// How the work is cut. All of it depends on the shape alone.
struct GradientPlan {
  Winograd w;
  bool few;
  std::int64_t outs, ins;      // channels of a block of dU
  std::int64_t parts, piece;   // parts of the tiles; tiles of a piece
  std::int64_t v_row, z_row;   // floats a tile, of all channels (few) or of a block

  explicit GradientPlan(const ConvShape& s) : w(s) {
    few = w.tiles <= kFewTiles && s.out >= 8 * kRows && s.in >= 64;
    outs = few ? 32 : split(s.out, 64);
    ins = split(s.in, few ? 256 : s.in * s.out > 128 * 128 ? 128 : 64);
    // A block of dU with its V and Z stays within about a megabyte: 7450 floats at each of the 36 places.
    const std::int64_t fits = (7450 - outs * ins) / (round_up(outs, kPanel) + round_up(ins, kPanel));
    piece = few ? w.tiles : fits < 24 ? 24 : lower(fits, 96);
    const std::int64_t most = outs * ins <= 2048 ? 16 : 4;
    parts = few ? 1 : w.tiles / 192 < 1 ? 1 : lower(most, w.tiles / 192);
    v_row = gradient_row(few ? w.in_pad : round_up(ins, kPanel));
    z_row = gradient_row(few ? w.out_pad : round_up(outs, kPanel));
  }
  // Blocks of at most about `most` channels, in whole panels.
  static std::int64_t split(std::int64_t channels, std::int64_t most) {
    return lower(channels, round_up(ceil_div(channels, ceil_div(channels, most)), kPanel));
  }
  std::int64_t du_row() const { return round_up(ins, kPanel); }
  std::int64_t du_plane() const { return outs * du_row(); }
  std::int64_t du_floats() const { return 36 * du_plane(); }
  std::int64_t blocks() const { return ceil_div(w.s.out, outs) * ceil_div(w.s.in, ins); }
  std::int64_t piece_floats() const { return 36 * (plane(piece, v_row) + plane(piece, z_row)); }
  // Which channels block b holds.
  Channels outs_of(std::int64_t b) const { return range(b / ceil_div(w.s.in, ins), outs, w.s.out); }
  Channels ins_of(std::int64_t b) const { return range(b % ceil_div(w.s.in, ins), ins, w.s.in); }
  static Channels range(std::int64_t i, std::int64_t length, std::int64_t all) {
    return {i * length, lower(all, (i + 1) * length)};
  }
};

std::int64_t winograd_backward_weight_scratch(const ConvShape& s, int slots) {
  const GradientPlan g(s);
  return g.few ? g.piece_floats() + slots * g.du_floats() : slots * g.piece_floats() + g.parts * g.blocks() * g.du_floats();
}

template <Rows kPair>
EDDY_INLINE void transform_gradient_pair(const TileRows<4>& rows, std::int64_t column, std::int64_t width, std::int64_t out,
                                         std::int64_t k, float* z, std::int64_t stride) {
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
  store_pair<kPair>(z, stride, upper, lower);
}

// The 4x4 gradient of a tile's output, transformed: z[plane * stride + channel - channels.first].
inline void transform_gradient(const Winograd& w, std::int64_t tile, Channels channels, const float* dy, float* z,
                               std::int64_t stride) {
  const ConvShape& s = w.s;
  const Winograd::Place at = w.place(tile);
  const TileRows<4> rows(dy + at.sample * s.out_height * s.out_width * s.out, at.row, s.out_height, s.out_width * s.out);
  for (std::int64_t k = channels.first; k < channels.end; k += kWidth, z += kWidth) {
    transform_gradient_pair<Rows::outer>(rows, at.column, s.out_width, s.out, k, z, stride);
    transform_gradient_pair<Rows::one>(rows, at.column, s.out_width, s.out, k, z, stride);
    transform_gradient_pair<Rows::two>(rows, at.column, s.out_width, s.out, k, z, stride);
  }
}


// V and Z of a tile, `channels` of each; lanes behind the last channel of V are zero, as the products read whole panels.
inline void transform_both(const GradientPlan& g, std::int64_t tile, std::int64_t row, Channels ins, Channels outs,
                           const float* x, const float* dy, float* v, std::int64_t v_plane, float* z, std::int64_t z_plane) {
  v += row * g.v_row;
  for (std::int64_t c = ins.end - ins.first; c < round_up(ins.end - ins.first, kPanel); ++c) {
    for (std::int64_t p = 0; p < 36; ++p) v[p * v_plane + c] = 0;
  }
  transform_input(g.w, tile, ins, x, v, v_plane);
  transform_gradient(g.w, tile, outs, dy, z + row * g.z_row, z_plane);
}

// dU of a block, plane by plane, += Z^T V of `count` tiles.
inline void add_pieces(const GradientPlan& g, std::int64_t outs, std::int64_t ins, std::int64_t count, const float* v,
                       std::int64_t v_plane, const float* z, std::int64_t z_plane, bool first, float* du) {
  for (std::int64_t p = 0; p < 36; ++p) {
    product_transposed(outs, round_up(ins, kPanel), count, z + p * z_plane, g.z_row, v + p * v_plane, g.v_row,
                       du + p * g.du_plane(), g.du_row(), nullptr, !first, v + (p + 1) * v_plane);
  }
}

void few_tiles(const Launch& launch, const GradientPlan& g, const float* x, const float* dy, float* dw, float* scratch) {
  const Winograd& w = g.w;
  const std::int64_t v_plane = plane(w.tiles, g.v_row), z_plane = plane(w.tiles, g.z_row);
  float* v = scratch;
  float* z = v + 36 * v_plane;
  parallel(launch, w.tiles, [&](std::int64_t t, int) {
    transform_both(g, t, t, {0, w.s.in}, {0, w.s.out}, x, dy, v, v_plane, z, z_plane);
  });
  parallel(launch, g.blocks(), [&](std::int64_t b, int slot) {
    float* du = z + 36 * z_plane + slot * g.du_floats();
    const Channels outs = g.outs_of(b), ins = g.ins_of(b);
    const std::int64_t columns = ins.end - ins.first;
    add_pieces(g, outs.end - outs.first, columns, w.tiles, v + ins.first, v_plane, z + outs.first, z_plane, true, du);
    for (std::int64_t o = outs.first; o < outs.end; ++o) {
      untransform_weight(columns, du + (o - outs.first) * g.du_row(), g.du_plane(), dw + (o * w.s.in + ins.first) * 9);
    }
  });
}

void many_tiles(const Launch& launch, const GradientPlan& g, const float* x, const float* dy, float* dw, float* scratch) {
  const Winograd& w = g.w;
  float* all = scratch + launch.slots * g.piece_floats();  // [block][part] of dU
  parallel(launch, g.blocks() * g.parts, [&](std::int64_t task, int slot) {
    const std::int64_t part = task / g.blocks(), block = task % g.blocks();
    const Channels outs = g.outs_of(block), ins = g.ins_of(block);
    float* du = all + (block * g.parts + part) * g.du_floats();
    const std::int64_t begin = part * w.tiles / g.parts, end = (part + 1) * w.tiles / g.parts;
    for (std::int64_t first = begin; first < end; first += g.piece) {
      const std::int64_t count = lower(g.piece, end - first);
      const std::int64_t v_plane = plane(count, g.v_row), z_plane = plane(count, g.z_row);
      float* v = scratch + slot * g.piece_floats();
      float* z = v + 36 * v_plane;
      for (std::int64_t t = 0; t < count; ++t) {
        call_ahead(w, first + t, inputs(w.s, x), ins);
        call_ahead(w, first + t, outputs(w.s, dy), outs);
        transform_both(g, first + t, t, ins, outs, x, dy, v, v_plane, z, z_plane);
      }
      add_pieces(g, outs.end - outs.first, ins.end - ins.first, count, v, v_plane, z, z_plane, first == begin, du);
    }
  });
  parallel(launch, w.s.out, [&](std::int64_t o, int) {
    for (std::int64_t c = 0; c < w.s.in; c += g.ins) {
      const std::int64_t block = o / g.outs * ceil_div(w.s.in, g.ins) + c / g.ins;
      float* du = all + block * g.parts * g.du_floats() + o % g.outs * g.du_row();
      const std::int64_t ins = lower(g.ins, w.s.in - c);
      for (std::int64_t part = 1; part < g.parts; ++part) {
        for (std::int64_t p = 0; p < 36; ++p) {
          float* sum = du + p * g.du_plane();
          const float* next = sum + part * g.du_floats();
          for (std::int64_t i = 0; i < g.du_row(); i += kWidth) store(sum + i, load(sum + i) + load(next + i));
        }
      }
      untransform_weight(ins, du, g.du_plane(), dw + (o * w.s.in + c) * 9);
    }
  });
}

void winograd_backward_weight(const Launch& launch, const ConvShape& s, const float* x, const float* dy, float* dw,
                              float* scratch) {
  const GradientPlan g(s);
  if (g.w.tiles == 0) {
    for (std::int64_t i = 0; i < s.out * s.in * 9; ++i) dw[i] = 0;
    return;
  }
  (g.few ? few_tiles : many_tiles)(launch, g, x, dy, dw, scratch);
}

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
