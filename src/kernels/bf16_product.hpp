// What bfloat16 products do with their blocks: add and store, and the sum over rows that gradients of weights are.
#pragma once

#include "kernels/bf16_round.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

// A row stride that does not bring all rows of a block into one set of the cache.
inline std::int64_t spread(std::int64_t elements) { return elements % 2048 == 0 ? elements + kSide : elements; }

// What is added to a product before it is stored. All may be null.
struct Added {
  const float* bias;         // (out)
  const float* sample_bias;  // (samples, out)
  const float* residual;     // like y
};

// Row r of y = row r of a block + what is added, for 32 columns from `column` on.
inline void store_row(const float* c, const Added& add, std::int64_t sample, std::int64_t row, std::int64_t column,
                      std::int64_t out, float* y) {
  for (std::int64_t i = column; i < column + kSide && i < out; i += kHalf) {
    const __mmask16 there = lanes16(out - i);
    __m512 v = _mm512_loadu_ps(c + (i - column));
    if (add.bias) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(there, add.bias + i));
    if (add.sample_bias) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(there, add.sample_bias + sample * out + i));
    if (add.residual) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(there, add.residual + row * out + i));
    _mm512_mask_storeu_ps(y + row * out + i, there, v);
  }
}

// dW[o, c, tap] = sum_p dy[p, o] x[p + shift(tap), c], over positions p of the whole batch in one line; shift(y, x) = y
// row_shift + x. dy is turned, so that a shift moves where its rows begin; it is zero at positions that are no output. Every
// element is one chain over the positions in order; where there are few blocks, eight of them, which are added in order.
struct Gradient {
  std::int64_t out, in, positions;
  std::int64_t taps_y = 1, taps_x = 1, row_shift = 0;

  static constexpr std::int64_t kPiece = 8;  // steps between two taps: factors of a piece stay in the nearest cache

  std::int64_t taps() const { return taps_y * taps_x; }
  std::int64_t steps() const { return positions > 0 ? ceil_div(positions, kSide) : 1; }
  std::int64_t margin() const { return round_up((taps_y - 1) * row_shift + taps_x - 1, kSide); }
  std::int64_t ld() const { return ((margin() / kSide + steps()) | 1) * kSide; }
  std::int64_t left_elements() const { return round_up(out, kSide) * ld(); }
  std::int64_t right_elements() const { return ceil_div(in, kSide) * steps() * kStep; }
  std::int64_t blocks() const { return ceil_div(out, kSide) * ceil_div(in, kSide); }
  std::int64_t chains() const { return blocks() < 16 ? lower(8, ceil_div(steps(), 2 * kPiece)) : 1; }
  std::int64_t scratch(int slots) const {
    const std::int64_t sums = chains() > 1 ? chains() * blocks() : slots;
    return floats_for(left_elements() + right_elements()) + sums * taps() * kBlock;
  }

  // Where the pixels of 32 positions lie; null for zeros.
  template <class At>
  void find(std::int64_t step, At& at, const float* (&from)[kSide]) const {
    const std::int64_t there = lower(kSide, positions - step * kSide);
    if (there > 0) at(step * kSide, there, from);
    for (std::int64_t i = there; i < kSide; ++i) from[i] = nullptr;
  }

  // left[o, margin + p] = dy[p, o]
  template <class At>
  void turn(const Launch& launch, Bf* left, At dy_at) const {
    constexpr std::int64_t kTogether = 4;
    parallel(launch, ceil_div(steps(), kTogether), [&](std::int64_t tile, int) {
      for (std::int64_t s = tile * kTogether; s < lower((tile + 1) * kTogether, steps()); ++s) {
        const float* from[kSide];
        find(s, dy_at, from);
        for (std::int64_t o = 0; o < round_up(out, kSide); o += kHalf) {
          __m512i pairs[16];
          const auto read = [&](const float* p) { return p ? load_lanes(p + o, out - o) : _mm512_setzero_ps(); };
          for (int i = 0; i < 16; ++i) pairs[i] = paired(read(from[2 * i]), read(from[2 * i + 1]));
          transpose(pairs);
          Bf* to = left + o * ld() + margin() + s * kSide;
          for (int i = 0; i < 16; ++i) _mm512_storeu_si512(to + i * ld(), pairs[i]);
        }
      }
    });
    for (std::int64_t o = 0; o < round_up(out, kSide); ++o) round_row(nullptr, 0, left + o * ld(), margin());
  }

  // Panels of pairs of positions.
  template <class At>
  void pair_up(const Launch& launch, Bf* right, At x_at) const {
    parallel(launch, steps(), [&](std::int64_t s, int) {
      const float* from[kSide];
      find(s, x_at, from);
      for (std::int64_t c = 0; c < round_up(in, kSide); c += kHalf) {
        Bf* to = right + (c / kSide * steps() + s) * kStep + c % kSide / kHalf * (kStep / 2);
        const auto read = [&](const float* p) { return p ? load_lanes(p + c, in - c) : _mm512_setzero_ps(); };
        for (int i = 0; i < 16; ++i) _mm512_storeu_si512(to + i * kSide, paired(read(from[2 * i]), read(from[2 * i + 1])));
      }
    });
  }

  // dw[o ld_w + c taps + tap] from the blocks of taps [first_tap, last_tap).
  void store(const float* blocks_of_taps, std::int64_t o, std::int64_t first, std::int64_t first_tap, std::int64_t last_tap,
             float* dw, std::int64_t ld_w) const {
    const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i at = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(static_cast<int>(taps())));
    for (std::int64_t r = 0; r < lower(kSide, out - o); ++r) {
      for (std::int64_t i = 0; i < lower(kSide, in - first); i += kHalf) {
        const __mmask16 there = lanes16(in - first - i);
        float* to = dw + (o + r) * ld_w + (first + i) * taps();
        for (std::int64_t tap = first_tap; tap < last_tap; ++tap) {
          const __m512 v = _mm512_loadu_ps(blocks_of_taps + tap * kBlock + r * kSide + i);
          if (taps() == 1) {
            _mm512_mask_storeu_ps(to, there, v);
          } else {
            _mm512_mask_i32scatter_ps(to + tap, there, at, v, 4);
          }
        }
      }
    }
  }

  // dy_at and x_at (first, count, from): where the pixels of so many positions lie, null for zeros.
  template <class DyAt, class XAt>
  void run(const Launch& launch, DyAt dy_at, XAt x_at, float* dw, std::int64_t ld_w, float* scratch) const {
    Bf* left = reinterpret_cast<Bf*>(scratch);
    Bf* right = left + left_elements();
    float* sums = scratch + floats_for(left_elements() + right_elements());
    turn(launch, left, dy_at);
    pair_up(launch, right, x_at);
    const std::int64_t columns = ceil_div(in, kSide), split = chains(), size = taps() * kBlock;
    parallel(launch, blocks() * split, [&](std::int64_t tile, int slot) {
      const Unit unit;
      const std::int64_t o = tile / split / columns * kSide, column = tile / split % columns, chain = tile % split;
      float* c = sums + (split > 1 ? tile : slot) * size;
      const std::int64_t first = chain * steps() / split, last = (chain + 1) * steps() / split;
      for (std::int64_t s = first; s < last; s += kPiece) {
        for (std::int64_t tap = 0; tap < taps(); ++tap) {
          const Bf* top = left + o * ld() + margin() + s * kSide - (tap / taps_x * row_shift + tap % taps_x);
          block({top, top + kHalf * ld(), ld(), lower(kPiece, last - s)}, right + (column * steps() + s) * kStep, s > first,
                c + tap * kBlock);
        }
      }
      if (split == 1) store(c, o, column * kSide, 0, taps(), dw, ld_w);
    });
    if (split == 1) return;
    parallel(launch, blocks() * taps(), [&](std::int64_t tile, int) {
      const std::int64_t place = tile / taps(), tap = tile % taps();
      float* c = sums + place * split * size + tap * kBlock;
      for (std::int64_t chain = 1; chain < split; ++chain) {
        for (std::int64_t i = 0; i < kBlock; ++i) c[i] += c[chain * size + i];
      }
      store(c - tap * kBlock, place / columns * kSide, place % columns * kSide, tap, tap + 1, dw, ld_w);
    });
  }
};

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
