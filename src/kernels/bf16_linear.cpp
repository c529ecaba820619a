// Products of rows with a weight matrix, the factors rounded to bfloat16: forward, and the two backward passes.
#include "kernels/linear.hpp"

#include "kernels/bf16_product.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

constexpr std::int64_t kTileRows = 4 * kSide;

std::int64_t packed_size(std::int64_t k, std::int64_t n) { return floats_for(packed_elements(k, n, 1)); }

void pack_transposed(const Launch& launch, std::int64_t out, std::int64_t in, const float* w, std::int64_t ld,
                     float* packed) {
  pack(launch, {w, in, out, 1, ld}, reinterpret_cast<Bf*>(packed));
}
void pack_plain(const Launch& launch, std::int64_t out, std::int64_t in, const float* w, std::int64_t ld, float* packed) {
  pack(launch, {w, out, in, ld, 1}, reinterpret_cast<Bf*>(packed));
}

std::int64_t row_elements(const LinearShape& s) { return spread(round_up(s.in + s.in2, kSide)); }
std::int64_t forward_scratch(const LinearShape& s, int slots) { return floats_for(slots * kTileRows * row_elements(s)); }

void forward(const Launch& launch, const LinearShape& s, const float* x, const float* x2, const float* packed,
             const float* bias, const float* sample_bias, std::int64_t sample_rows, const float* residual, float* y,
             float* scratch) {
  const std::int64_t ld = row_elements(s), steps = ceil_div(s.in + s.in2, kSide);
  const std::int64_t tiles_m = ceil_div(s.rows, kTileRows), panels = ceil_div(s.out, kSide);
  // Few rows: split the columns too, so that there is work for all threads.
  const std::int64_t per_tile = tiles_m >= 8 ? panels : ceil_div(panels, 8);
  const std::int64_t tiles_n = ceil_div(panels, per_tile);
  const Added add{bias, sample_bias, residual};
  parallel(launch, tiles_m * tiles_n, [&](std::int64_t tile, int slot) {
    const Unit unit;
    const std::int64_t first = tile / tiles_n * kTileRows, m = lower(kTileRows, s.rows - first);
    Bf* rows = reinterpret_cast<Bf*>(scratch) + slot * kTileRows * ld;
    for (std::int64_t r = 0; r < m; ++r) {
      Bf* to = rows + r * ld;
      if (x2) {
        round_row(x + (first + r) * s.in, s.in, to, s.in);
        round_row(x2 + (first + r) * s.in2, s.in2, to + s.in, steps * kSide - s.in);
      } else {
        round_row(x + (first + r) * s.in, s.in, to, steps * kSide);
      }
    }
    for (std::int64_t r = m; r < round_up(m, kSide); ++r) round_row(nullptr, 0, rows + r * ld, steps * kSide);
    const std::int64_t from = tile % tiles_n * per_tile;
    for (std::int64_t panel = from; panel < lower(from + per_tile, panels); ++panel) {
      const Bf* b = reinterpret_cast<const Bf*>(packed) + panel * steps * kStep;
      for (std::int64_t r = 0; r < m; r += kSide) {
        alignas(64) float c[kBlock];
        const Bf* top = rows + r * ld;
        block({top, top + kHalf * ld, ld, steps}, b, false, c);
        for (std::int64_t i = 0; i < lower(kSide, m - r); ++i) {
          const std::int64_t row = first + r + i;
          store_row(c + i * kSide, add, sample_bias ? row / sample_rows : 0, row, panel * kSide, s.out, y);
        }
      }
    }
  });
}

std::int64_t backward_weight_scratch(std::int64_t rows, std::int64_t in, std::int64_t out, int slots) {
  return Gradient{out, in, rows}.scratch(slots);
}

void backward_weight(const Launch& launch, std::int64_t rows, std::int64_t in, std::int64_t out, const float* x,
                     const float* dy, float* dw, std::int64_t ld, float* scratch) {
  const auto rows_of = [](const float* all, std::int64_t columns) {
    return [=](std::int64_t first, std::int64_t count, const float** from) {
      for (std::int64_t i = 0; i < count; ++i) from[i] = all + (first + i) * columns;
    };
  };
  Gradient{out, in, rows}.run(launch, rows_of(dy, out), rows_of(x, in), dw, ld, scratch);
}

}  // namespace

extern const LinearKernels linear_kernels;
// Sums of columns are not products: the table takes them from the float32 kernels.
const LinearKernels linear_kernels{packed_size, pack_transposed, pack_plain, forward_scratch, forward,
                                   backward_weight, backward_weight_scratch, nullptr};

}  // namespace eddy::inline v0_1::EDDY_ISA
