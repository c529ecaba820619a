// 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3) [Lavin2016, 4.3].
//
//   Y = A^T [ (G g G^T) * (B^T d B) ] A        d: 6x6 of the input, g: 3x3 weights, Y: 4x4 of the output (or 3 high or wide)
//   dd: the same form with g turned by 180 degrees, input and output channels changed over
//
// The product * is elementwise over the 36 places of a tile, and there a matrix product over the channels: 36 planes of
// M = V U, (tiles x in) (in x out). Two ways to share this out, which give the same bytes:
//   grouped   some tiles at a time through all three stages, their planes in the second-level cache; U lies ready
//   fused     few tiles, many channels: U would be longer than all else, so each panel of it is made where it is used; for very
//             few tiles it is multiplied with as it comes, and never stored
#pragma once

#include "kernels/winograd_transforms.hpp"
#include "kernels/winograd_weights.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

constexpr std::int64_t kGroup = (kRows < 12 ? 4 : 3) * kRows;  // tiles, 24 to 36, that one thread takes at a time
constexpr std::int64_t kFewTiles = 128;                        // of the fused way, at most
constexpr int kTinyTiles = 8;                                  // tiles, at most, that U is multiplied with in registers
constexpr int kTinyRows = kWidth < 8 ? kWidth : 8;             // rows of U at a time then
constexpr std::int64_t kPanelRows = 256;                       // rows of a panel of U that is made at a time

bool fused(const Winograd& w) { return !w.s.part && w.tiles <= kFewTiles && w.s.out >= 4 * kPanel && w.s.in >= 64; }

// Floats of a plane of V, and of M and U of one panel.
struct FusedPlanes {
  static constexpr std::int64_t kFlag = kLine;
  bool own;
  std::int64_t v, m, u;
  explicit FusedPlanes(const Winograd& w)
      : own(w.tiles <= kOwnTiles), v(plane(w.tiles, w.in_pad)), m(plane(w.tiles, kPanel)),
        u(odd_lines(lower(kPanelRows, w.s.in) * kPanel)) {}
  std::int64_t slot() const { return kFlag + 36 * (m + u + (own ? v : 0)); }
  std::int64_t floats(int slots) const { return (own ? 0 : 36 * v) + slots * slot(); }
};

// Floats of V and M of a group.
std::int64_t group_floats(const Winograd& w) {
  const std::int64_t most = lower(w.tiles, kGroup);
  return 36 * (plane(most, w.in_pad) + plane(most, w.out_pad));
}

std::int64_t winograd_scratch(const ConvShape& s, int slots) {
  const Winograd w(s);
  return fused(w) ? FusedPlanes(w).floats(slots) : slots * group_floats(w);
}

// All of U in panels: [place][panel][in][kPanel]; none where each panel is made in its place.
std::int64_t winograd_packed(const ConvShape& s) { return fused(Winograd(s)) ? 0 : 36 * s.in * round_up(s.out, kPanel); }

void winograd_pack(const Launch& launch, const ConvShape& s, const Kernels3x3& weights, float* u) {
  constexpr std::int64_t kBlock = 64;  // rows of a tile of work
  const std::int64_t panels = ceil_div(s.out, kPanel), blocks = ceil_div(s.in, kBlock);
  parallel(launch, panels * blocks, [&](std::int64_t tile, int) {
    const std::int64_t panel = tile / blocks, first = tile % blocks * kBlock;
    transform_weights(weights, panel * kPanel, first, lower(first + kBlock, s.in), u + (panel * s.in + first) * kPanel,
                      s.in * panels * kPanel);
  });
}

// Plane p, of the rows that have it: M = V U.
inline void multiply_plane(const Winograd& w, std::int64_t p, std::int64_t count, Range rows, const float* v, const float* u,
                           float* m) {
  product(rows.count(), w.out_pad, {v + p * plane(count, w.in_pad) + rows.first * w.in_pad, w.s.in, w.in_pad}, {nullptr, 0, 0},
          u + p * w.out_pad * w.s.in, m + p * plane(count, w.out_pad) + rows.first * w.out_pad, w.out_pad, {});
}

// Groups of tiles: a share for each slot, which finds in its cache what it wrote before; the last quarter of a long share in
// smaller groups, so that threads end together.
struct Groups {
  static constexpr std::int64_t kLeast = kRows / 2;  // tiles of a share: each group reads all of U
  std::int64_t tiles, share;
  std::int64_t large, rest, each;  // of a share: groups of kGroup, then others, and tiles of each of those

  Groups(std::int64_t n, int slots) : tiles(n), share(ceil_div(n, slots) < kLeast ? kLeast : ceil_div(n, slots)) {
    const bool is_long = slots > 1 && share > 2 * kGroup;
    large = is_long ? share * 3 / 4 / kGroup : 0;
    const std::int64_t left = share - large * kGroup;
    each = ceil_div(left, ceil_div(left, is_long ? kGroup / 2 : kGroup));
    rest = ceil_div(left, each);
  }
  std::int64_t of_share() const { return large + rest; }
  std::int64_t count() const { return ceil_div(tiles, share) * of_share(); }
  // First tile and end, which may be the same.
  Range range(std::int64_t g) const {
    const std::int64_t i = g % of_share(), begin = g / of_share() * share, end = lower(tiles, begin + share);
    const std::int64_t first = begin + (i < large ? i * kGroup : large * kGroup + (i - large) * each);
    return {lower(first, end), lower(first + (i < large ? kGroup : each), end)};
  }
};

void winograd_grouped(const Launch& launch, const Winograd& w, const float* x, const float* u, const OutputTerms& add, float* y,
                      float* scratch) {
  const Groups groups(w.tiles, launch.slots);
  parallel(launch, groups.count(), [&](std::int64_t g, int slot) {
    const Range tiles = groups.range(g);
    const std::int64_t count = tiles.count(), v_plane = plane(count, w.in_pad), m_plane = plane(count, w.out_pad);
    if (count == 0) return;
    const PlaneRows rows(w, tiles);
    const Range in{0, w.s.in}, out{0, w.s.out};
    const auto next_x = PicturesAhead::of_inputs(w, x, in), next_y = PicturesAhead::of_outputs(w, y, out);
    const auto next_residual = PicturesAhead::of_outputs(w, add.residual, out);
    float* v = scratch + slot * group_floats(w);
    float* m = v + 36 * v_plane;
    for (std::int64_t t = tiles.first; t < tiles.end; ++t) {
      const Winograd::Place at = w.place(t);
      next_x.call(at);
      transform_input(w, at, in, x, v + rows.row(at) * w.in_pad, v_plane);
    }
    for (std::int64_t p = 0; p < 36; ++p) multiply_plane(w, p, count, rows.of(p), v, u, m);
    for (std::int64_t t = tiles.first; t < tiles.end; ++t) {
      const Winograd::Place at = w.place(t);
      next_y.call(at);
      if (add.residual) next_residual.call(at);
      transform_output(w, at, out, m + rows.row(at) * w.out_pad, m_plane, add, y);
    }
  });
}

// M += V U of kTinyRows rows of U at each place, kWidth columns.
template <int kTiles>
inline void multiply_rows(const Vec (&u)[36][kTinyRows], std::int64_t rows, const float* v, std::int64_t v_row,
                          std::int64_t v_plane, float* m, std::int64_t m_plane, bool first) {
  for (int p = 0; p < 36; ++p, v += v_plane, m += m_plane) {
    Vec sum[kTiles];
#pragma GCC unroll 8
    for (int t = 0; t < kTiles; ++t) sum[t] = first ? zero() : load(m + t * kPanel);
    for (std::int64_t r = 0; r < rows; ++r) {
#pragma GCC unroll 8
      for (int t = 0; t < kTiles; ++t) sum[t] = fma(fill(v[t * v_row + r]), u[p][r], sum[t]);
    }
#pragma GCC unroll 8
    for (int t = 0; t < kTiles; ++t) store(m + t * kPanel, sum[t]);
  }
}

// M of kWidth columns for very few tiles, of all places alike: U is multiplied as it comes, in the nearest cache.
inline void multiply_tiny(const Winograd& w, const Kernels3x3& weights, std::int64_t column, const float* v, std::int64_t v_plane,
                          float* m, std::int64_t m_plane) {
  for (std::int64_t c = 0; c < w.s.in; c += kWidth) {
    const TapRows taps(weights, c, w.s.in, column);
    for (std::int64_t r0 = 0; r0 < taps.rows; r0 += kTinyRows) {
      const std::int64_t rows = lower(kTinyRows, taps.rows - r0);
      Vec u[36][kTinyRows];
      for (std::int64_t r = 0; r < rows; ++r) taps.transform(r0 + r, [&](int place, Vec value) { u[place][r] = value; });
      with_rows<kTinyTiles>(static_cast<int>(w.tiles), [&]<int M>() {
        multiply_rows<M>(u, rows, v + c + r0, w.in_pad, v_plane, m, m_plane, c + r0 == 0);
      });
    }
  }
}

void winograd_fused(const Launch& launch, const Winograd& w, const float* x, const Kernels3x3& weights, const OutputTerms& add,
                    float* y, float* scratch) {
  const FusedPlanes planes(w);
  const bool tiny = w.tiles <= kTinyTiles;
  const PlaneRows plane_rows(w, {0, w.tiles});
  const auto input = [&](std::int64_t t, float* v) {
    const Winograd::Place at = w.place(t);
    transform_input(w, at, {0, w.s.in}, x, v + plane_rows.row(at) * w.in_pad, planes.v);
  };
  float* slots = scratch + (planes.own ? 0 : 36 * planes.v);
  if (planes.own) {
    for (int slot = 0; slot < launch.slots; ++slot) slots[slot * planes.slot()] = 0;
  } else {
    parallel(launch, w.tiles, [&](std::int64_t t, int) { input(t, scratch); });
  }
  parallel(launch, ceil_div(w.s.out, kPanel), [&](std::int64_t panel, int slot) {
    float* made = slots + slot * planes.slot();
    float* m = made + FusedPlanes::kFlag;
    float* u = m + 36 * planes.m;
    float* v = planes.own ? u + 36 * planes.u : scratch;
    if (planes.own && *made == 0) {
      // All places are multiplied; those that a small tile lacks must hold numbers, though nobody reads the products.
      if (tiny && w.of_picture != w.high.large * w.wide.large) {
        for (std::int64_t p = 0; p < 36; ++p) {
          if (p / 6 == 4 || p % 6 == 4) zero_rows(v + p * planes.v, 1, planes.v, planes.v);
        }
      }
      for (std::int64_t t = 0; t < w.tiles; ++t) input(t, v);
      *made = 1;
    }
    const std::int64_t column = panel * kPanel;
    if (tiny) {
      for (std::int64_t half = 0; half < kPanel; half += kWidth) {
        multiply_tiny(w, weights, column + half, v, planes.v, m + half, planes.m);
      }
    } else {
      for (std::int64_t c = 0; c < w.s.in; c += kPanelRows) {
        const std::int64_t rows = lower(kPanelRows, w.s.in - c);
        transform_weights(weights, column, c, c + rows, u, planes.u);
        for (std::int64_t p = 0; p < 36; ++p) {
          const Range tiles = plane_rows.of(p);
          product(tiles.count(), kPanel, {v + p * planes.v + tiles.first * w.in_pad + c, rows, w.in_pad}, {nullptr, 0, 0},
                  u + p * planes.u, m + p * planes.m + tiles.first * kPanel, kPanel, {}, c > 0, Next::rows);
        }
      }
    }
    for (std::int64_t t = 0; t < w.tiles; ++t) {
      const Winograd::Place at = w.place(t);
      transform_output(w, at, {column, lower(column + kPanel, w.s.out)}, m + plane_rows.row(at) * kPanel, planes.m, add, y);
    }
  });
}

// u: from winograd_pack, null where it has no length.
void winograd_forward(const Launch& launch, const ConvShape& s, const float* x, const Kernels3x3& weights, const float* u,
                      const OutputTerms& add, float* y, float* scratch) {
  const Winograd w(s);
  if (w.tiles == 0) return;
  if (fused(w)) return winograd_fused(launch, w, x, weights, add, y, scratch);
  winograd_grouped(launch, w, x, u, add, y, scratch);
}

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
