// 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3) [Lavin2016, 4.3].
//
//   Y = A^T [ (G g G^T) * (B^T d B) ] A        d: 6x6 of the input, g: 3x3 weights, Y: 4x4 of the output
//   dd: the same form with g turned by 180 degrees, input and output channels changed over
//
// The product * is elementwise over the 36 places of a tile, and there a matrix product over the channels: 36 planes of
// M = V U, (tiles x in) (in x out). Three ways to share this out, which give the same bytes:
//   grouped   some tiles at a time through all three stages, their planes in the second-level cache; U lies ready
//   staged    few tiles: each stage by itself
//   fused     few tiles, many channels: U would be longer than all else, so each panel of it is made where it is used
#pragma once

#include "kernels/winograd_tiles.hpp"
#include "kernels/winograd_weights.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

constexpr std::int64_t kGroup = 4 * kRows;          // tiles that one thread takes at a time
constexpr std::int64_t kFewTiles = 128;             // of the fused way, at most
constexpr std::int64_t kPanelRows = 256;            // rows of a panel of U that is made at a time

bool use_winograd(const ConvShape& s) {
  return s.kernel_height == 3 && s.kernel_width == 3 && s.stride == 1 && s.in >= 4 && s.out_height * s.out_width >= 9 &&
         s.pad_top <= 2 && s.pad_left <= 2;
}

bool fused(const Winograd& w) { return w.tiles <= kFewTiles && w.s.out >= 4 * kPanel && w.s.in >= 64; }
bool staged(const Winograd& w) { return w.tiles < 6 * kGroup; }

// Floats of a plane of V, and of M and U of one panel.
struct FusedPlanes {
  std::int64_t v, m, u;
  explicit FusedPlanes(const Winograd& w)
      : v(plane(w.tiles, w.in_pad)), m(plane(w.tiles, kPanel)), u(odd_lines(lower(kPanelRows, w.s.in) * kPanel)) {}
};

std::int64_t winograd_scratch(const ConvShape& s, int slots) {
  const Winograd w(s);
  if (fused(w)) {
    const FusedPlanes planes(w);
    return 36 * (planes.v + slots * (planes.m + planes.u));
  }
  const std::int64_t count = staged(w) ? w.tiles : kGroup;
  return 36 * (plane(count, w.in_pad) + plane(count, w.out_pad)) * (staged(w) ? 1 : slots);
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

// Plane p of `count` tiles: M = V U.
inline void multiply_plane(const Winograd& w, std::int64_t p, std::int64_t count, const float* v, const float* u, float* m) {
  product(count, w.out_pad, {v + p * plane(count, w.in_pad), w.s.in, w.in_pad}, {nullptr, 0, 0}, u + p * w.out_pad * w.s.in,
          m + p * plane(count, w.out_pad), w.out_pad, {});
}

// Groups of tiles, the last quarter in smaller ones, so that threads end together.
struct Groups {
  std::int64_t tiles, large;
  explicit Groups(std::int64_t n) : tiles(n), large(n * 3 / 4 / kGroup) {}
  static constexpr std::int64_t kSmall = kGroup / 2;
  std::int64_t count() const { return large + ceil_div(tiles - large * kGroup, kSmall); }
  std::int64_t first(std::int64_t g) const { return g < large ? g * kGroup : large * kGroup + (g - large) * kSmall; }
  std::int64_t size(std::int64_t g) const { return g < large ? kGroup : lower(kSmall, tiles - first(g)); }
};

void winograd_grouped(const Launch& launch, const Winograd& w, const float* x, const float* u, const OutputTerms& add, float* y,
                      float* scratch) {
  const Groups groups(w.tiles);
  const std::int64_t slot_floats = 36 * (plane(kGroup, w.in_pad) + plane(kGroup, w.out_pad));
  parallel(launch, groups.count(), [&](std::int64_t g, int slot) {
    const std::int64_t first = groups.first(g), count = groups.size(g);
    float* v = scratch + slot * slot_floats;
    float* m = v + 36 * plane(count, w.in_pad);
    for (std::int64_t t = 0; t < count; ++t) {
      transform_input(w, first + t, {0, w.s.in}, x, v + t * w.in_pad, plane(count, w.in_pad));
    }
    for (std::int64_t p = 0; p < 36; ++p) multiply_plane(w, p, count, v, u, m);
    for (std::int64_t t = 0; t < count; ++t) {
      transform_output(w, first + t, {0, w.s.out}, m + t * w.out_pad, plane(count, w.out_pad), add, y);
    }
  });
}

void all_inputs(const Launch& launch, const Winograd& w, const float* x, float* v) {
  parallel(launch, w.tiles, [&](std::int64_t t, int) {
    transform_input(w, t, {0, w.s.in}, x, v + t * w.in_pad, plane(w.tiles, w.in_pad));
  });
}

void winograd_staged(const Launch& launch, const Winograd& w, const float* x, const float* u, const OutputTerms& add, float* y,
                     float* scratch) {
  float* v = scratch;
  float* m = v + 36 * plane(w.tiles, w.in_pad);
  all_inputs(launch, w, x, v);
  parallel(launch, 36, [&](std::int64_t p, int) { multiply_plane(w, p, w.tiles, v, u, m); });
  parallel(launch, w.tiles, [&](std::int64_t t, int) {
    transform_output(w, t, {0, w.s.out}, m + t * w.out_pad, plane(w.tiles, w.out_pad), add, y);
  });
}

void winograd_fused(const Launch& launch, const Winograd& w, const float* x, const Kernels3x3& weights, const OutputTerms& add,
                    float* y, float* scratch) {
  const FusedPlanes planes(w);
  float* v = scratch;
  all_inputs(launch, w, x, v);
  parallel(launch, ceil_div(w.s.out, kPanel), [&](std::int64_t panel, int slot) {
    float* m = v + 36 * (planes.v + slot * (planes.m + planes.u));
    float* u = m + 36 * planes.m;
    const std::int64_t column = panel * kPanel;
    for (std::int64_t c = 0; c < w.s.in; c += kPanelRows) {
      const std::int64_t rows = lower(kPanelRows, w.s.in - c);
      transform_weights(weights, column, c, c + rows, u, planes.u);
      for (std::int64_t p = 0; p < 36; ++p) {
        product(w.tiles, kPanel, {v + p * planes.v + c, rows, w.in_pad}, {nullptr, 0, 0}, u + p * planes.u, m + p * planes.m,
                kPanel, {}, c > 0, Next::rows);
      }
    }
    for (std::int64_t t = 0; t < w.tiles; ++t) {
      transform_output(w, t, {column, lower(column + kPanel, w.s.out)}, m + t * kPanel, planes.m, add, y);
    }
  });
}

// u: from winograd_pack, null where it has no length.
void winograd_forward(const Launch& launch, const ConvShape& s, const float* x, const Kernels3x3& weights, const float* u,
                      const OutputTerms& add, float* y, float* scratch) {
  const Winograd w(s);
  if (fused(w)) return winograd_fused(launch, w, x, weights, add, y, scratch);
  (staged(w) ? winograd_staged : winograd_grouped)(launch, w, x, u, add, y, scratch);
}

// The convolution that carries gradients back: from out to in channels, turned weights.
ConvShape transposed(const ConvShape& s) {
  return {.n = s.n, .height = s.out_height, .width = s.out_width, .in = s.out, .out = s.in, .out_height = s.height,
          .out_width = s.width, .kernel_height = 3, .kernel_width = 3, .stride = 1, .pad_top = 2 - s.pad_top,
          .pad_left = 2 - s.pad_left};
}

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
