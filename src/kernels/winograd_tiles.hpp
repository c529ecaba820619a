// Winograd's F(4x4, 3x3) [Lavin2016, 4.3]: which convolutions it takes, and how their pictures fall into tiles.
//
//   Winograd       tiles of 4x4 outputs, 3 high or wide where 4 does not divide a side, numbered by samples, rows and columns
//   PlaneRows      which row of the 36 planes holds a tile: those that have a place lie side by side
//   PicturesAhead  calls into the cache what tiles further on read or write
#pragma once

#include "kernels/conv2d.hpp"
#include "kernels/gemm.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

// At least so many floats, an odd number of cache lines: at even distances the places of a tile fall into few sets of the cache.
constexpr std::int64_t odd_lines(std::int64_t floats) { return (ceil_div(floats, kLine) | 1) * kLine; }

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
          .pad_top = s.kernel_height - 1 - s.pad_top, .pad_left = s.kernel_width - 1 - s.pad_left, .part = s.part};
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
      for (std::int64_t c = channels_.first; c < channels_.end; c += kLine) __builtin_prefetch(begin + pixel * pixel_floats_ + c);
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

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
