// Gradients of the weights of 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3) [Lavin2016, 4.3].
//
//   dg = G^T dU G,  dU = sum over tiles (B^T d B) * (A dY A^T),  at each of the 36 places dU (out x in) = Z^T V of
//                                                                  the tiles that have it
//
// Tiles are summed in pieces whose lengths the shape fixes, pieces in order within a part, and dg of the parts in order: threads
// change nothing. A block of dU stays in the second-level cache while all tiles of a part pass by.
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
  std::int64_t slot_floats() const { return du_floats() + piece_floats(); }
  std::int64_t dw_floats() const { return w.s.out * w.s.in * 9; }
  // Which channels block b holds.
  Range outs_of(std::int64_t b) const { return range(b / ceil_div(w.s.in, ins), outs, w.s.out); }
  Range ins_of(std::int64_t b) const { return range(b % ceil_div(w.s.in, ins), ins, w.s.in); }
  static Range range(std::int64_t i, std::int64_t length, std::int64_t all) {
    return {i * length, lower(all, (i + 1) * length)};
  }
};

std::int64_t winograd_backward_weight_scratch(const ConvShape& s, int slots) {
  const GradientPlan g(s);
  if (g.few) return g.piece_floats() + slots * g.du_floats();
  return slots * g.slot_floats() + (g.parts > 1 ? g.parts * g.dw_floats() : 0);
}

// V and Z of some tiles, `channels` of each.
struct Pieces {
  const GradientPlan& g;
  Range tiles, ins, outs;
  PlaneRows rows;
  std::int64_t v_plane, z_plane;
  float *v, *z;

  Pieces(const GradientPlan& plan, Range of, Range in, Range out, float* memory)
      : g(plan), tiles(of), ins(in), outs(out), rows(plan.w, of), v_plane(plane(of.count(), plan.v_row)),
        z_plane(plane(of.count(), plan.z_row)), v(memory), z(memory + 36 * v_plane) {}

  // Lanes behind the last channel of V are zero, as the products read whole panels.
  void make(const Winograd::Place& at, const float* x, const float* dy) const {
    const std::int64_t row = rows.row(at);
    float* to = v + row * g.v_row;
    for (std::int64_t c = ins.count(); c < round_up(ins.count(), kPanel); ++c) {
      for (std::int64_t p = 0; p < 36; ++p) to[p * v_plane + c] = 0;
    }
    transform_input(g.w, at, ins, x, to, v_plane);
    transform_gradient(g.w, at, outs, dy, z + row * g.z_row, z_plane);
  }
  // dU of a block of their channels, plane by plane, = or += Z^T V of the tiles that have the place.
  void add(Range out, Range in, bool first, float* du) const {
    for (std::int64_t p = 0; p < 36; ++p) {
      const Range of = rows.of(p);
      const float* right = v + p * v_plane + of.first * g.v_row + in.first - ins.first;
      product_transposed(out.count(), round_up(in.count(), kPanel), of.count(),
                         z + p * z_plane + of.first * g.z_row + out.first - outs.first, g.z_row, right, g.v_row,
                         du + p * g.du_plane(), g.du_row(), nullptr, !first, right + v_plane);
    }
  }
};

// The channels `in` of dw of the outputs `out`, from dU of the block.
void untransform_block(const GradientPlan& g, Range out, Range in, const float* du, float* dw) {
  for (std::int64_t o = out.first; o < out.end; ++o) {
    untransform_weight(in.count(), du + (o - out.first) * g.du_row(), g.du_plane(), dw + (o * g.w.s.in + in.first) * 9);
  }
}

void few_tiles(const Launch& launch, const GradientPlan& g, const float* x, const float* dy, float* dw, float* scratch) {
  const Winograd& w = g.w;
  const Pieces all(g, {0, w.tiles}, {0, w.s.in}, {0, w.s.out}, scratch);
  parallel(launch, w.tiles, [&](std::int64_t t, int) { all.make(w.place(t), x, dy); });
  parallel(launch, g.blocks(), [&](std::int64_t b, int slot) {
    float* du = scratch + g.piece_floats() + slot * g.du_floats();
    all.add(g.outs_of(b), g.ins_of(b), true, du);
    untransform_block(g, g.outs_of(b), g.ins_of(b), du, dw);
  });
}

void many_tiles(const Launch& launch, const GradientPlan& g, const float* x, const float* dy, float* dw, float* scratch) {
  const Winograd& w = g.w;
  float* dw_of_parts = g.parts == 1 ? dw : scratch + launch.slots * g.slot_floats();
  parallel(launch, g.blocks() * g.parts, [&](std::int64_t task, int slot) {
    const std::int64_t part = task / g.blocks(), block = task % g.blocks();
    const Range outs = g.outs_of(block), ins = g.ins_of(block);
    float* du = scratch + slot * g.slot_floats();
    const std::int64_t begin = part * w.tiles / g.parts, end = (part + 1) * w.tiles / g.parts;
    for (std::int64_t first = begin; first < end; first += g.piece) {
      const Pieces pieces(g, {first, lower(end, first + g.piece)}, ins, outs, du + g.du_floats());
      const auto next_x = PicturesAhead::of_inputs(w, x, ins), next_dy = PicturesAhead::of_outputs(w, dy, outs);
      for (std::int64_t t = pieces.tiles.first; t < pieces.tiles.end; ++t) {
        const Winograd::Place at = w.place(t);
        next_x.call(at);
        next_dy.call(at);
        pieces.make(at, x, dy);
      }
      pieces.add(outs, ins, first == begin, du);
    }
    untransform_block(g, outs, ins, du, dw_of_parts + part * g.dw_floats());
  });
  if (g.parts > 1) sum_parts(launch, g.parts, w.s.out, w.s.in * 9, dw_of_parts, dw, w.s.in * 9);
}

void winograd_backward_weight(const Launch& launch, const ConvShape& s, const float* x, const float* dy, float* dw,
                              float* scratch) {
  const GradientPlan g(s);
  if (g.w.tiles == 0) return zero_rows(dw, s.out, s.in * 9, s.in * 9);
  (g.few ? few_tiles : many_tiles)(launch, g, x, dy, dw, scratch);
}

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
