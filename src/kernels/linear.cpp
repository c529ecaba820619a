// Products of rows with a weight matrix: forward, and the two backward passes.
#include "kernels/linear.hpp"

#include "kernels/pack.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

void pack_transposed(const Launch& launch, std::int64_t out, std::int64_t in, const float* w, std::int64_t ld,
                     float* packed) {
  pack_columns(launch, in, out, w, ld, packed, [](std::int64_t k) { return k; });
}

void pack(const Launch& launch, std::int64_t out, std::int64_t in, const float* w, std::int64_t ld, float* packed) {
  pack_rows(launch, out, in, w, ld, packed);
}

constexpr std::int64_t kTileRows = 4 * kRows;

std::int64_t forward_scratch(const LinearShape&, int) { return 0; }

void forward(const Launch& launch, const LinearShape& s, const float* x, const float* x2, const float* packed,
             const float* bias, const float* sample_bias, std::int64_t sample_rows, const float* residual, float* y,
             float*) {
  // Rows of one sample share its bias: tiles do not straddle samples then.
  const std::int64_t group = sample_bias ? sample_rows : s.rows;
  const std::int64_t groups = group > 0 ? s.rows / group : 0;
  const std::int64_t tiles_m = ceil_div(group, kTileRows);
  // Few rows: split the columns too, so that there is work for all threads.
  const std::int64_t panels = ceil_div(s.out, kPanel);
  const std::int64_t per_tile = groups * tiles_m >= 8 ? panels : ceil_div(panels, 8);
  const std::int64_t tiles_n = ceil_div(panels, per_tile);
  const std::int64_t k = s.in + s.in2;
  parallel(launch, groups * tiles_m * tiles_n, [&](std::int64_t tile, int) {
    const std::int64_t g = tile / (tiles_m * tiles_n), r = tile % (tiles_m * tiles_n);
    const std::int64_t first = r / tiles_n * kTileRows, row = g * group + first;
    const std::int64_t m = lower(kTileRows, group - first);
    const std::int64_t column = r % tiles_n * per_tile * kPanel, n = lower(per_tile * kPanel, s.out - column);
    const Epilogue epilogue{bias ? bias + column : nullptr, sample_bias ? sample_bias + g * s.out + column : nullptr,
                            residual ? residual + row * s.out + column : nullptr};
    product(m, n, {x + row * s.in, s.in, s.in}, {x2 + (x2 ? row * s.in2 : 0), s.in2, s.in2}, packed + column * k,
            y + row * s.out + column, s.out, epilogue, false, Next::rows);
  });
}

// How a gradient of weights is cut: blocks of it, and parts of the rows. All of it depends on the shape alone.
struct GradientCut {
  static constexpr std::int64_t kOut = 8 * kRows, kIn = 4 * kPanel;
  std::int64_t blocks_in, blocks, parts, size;

  GradientCut(std::int64_t rows, std::int64_t in, std::int64_t out)
      : blocks_in(ceil_div(in, kIn)), blocks(ceil_div(out, kOut) * blocks_in), parts(parts_of(rows, blocks)), size(out * in) {}
  std::int64_t partial_floats() const { return parts > 1 ? parts * size : 0; }
};

std::int64_t backward_weight_scratch(std::int64_t rows, std::int64_t in, std::int64_t out, int slots) {
  return slots * kGradDepth * kPanel + GradientCut(rows, in, out).partial_floats();
}

void backward_weight(const Launch& launch, std::int64_t rows, std::int64_t in, std::int64_t out, const float* x,
                     const float* dy, float* dw, std::int64_t ld, float* scratch) {
  if (rows == 0) return zero_rows(dw, out, in, ld);  // x and dy may be null
  const GradientCut cut(rows, in, out);
  float* partials = scratch + launch.slots * kGradDepth * kPanel;
  parallel(launch, cut.parts * cut.blocks, [&](std::int64_t task, int slot) {
    const std::int64_t part = task / cut.blocks, block = task % cut.blocks;
    const std::int64_t o = block / cut.blocks_in * GradientCut::kOut, i = block % cut.blocks_in * GradientCut::kIn;
    const std::int64_t m = lower(GradientCut::kOut, out - o), n = lower(GradientCut::kIn, in - i);
    const std::int64_t first = part * rows / cut.parts, count = (part + 1) * rows / cut.parts - first;
    const std::int64_t row = cut.parts > 1 ? in : ld;
    float* c = (cut.parts > 1 ? partials + part * cut.size : dw) + o * row + i;
    product_transposed(m, n, count, dy + first * out + o, out, x + first * in + i, in, c, row,
                       scratch + slot * kGradDepth * kPanel, false);
  });
  if (cut.parts > 1) sum_parts(launch, cut.parts, out, in, partials, dw, ld);
}

// Sums of `rows` rows of kVectors vectors, n floats of them there, in an order that only `rows` fixes: pieces of 64 rows, pieces
// added in order.
template <int kVectors>
inline void sum_rows(std::int64_t rows, std::int64_t n, const float* x, std::int64_t ld, float* out) {
  Vec total[kVectors] = {};
  for (std::int64_t r0 = 0; r0 < rows; r0 += 64) {
    Vec piece[kVectors] = {};
    for (std::int64_t r = r0; r < lower(rows, r0 + 64); ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) piece[v] += load_up_to(x + r * ld + v * kWidth, n - v * kWidth);
    }
    for (int v = 0; v < kVectors; ++v) total[v] += piece[v];
  }
  for (int v = 0; v < kVectors; ++v) store_up_to(out + v * kWidth, total[v], n - v * kWidth);
}

void column_sums(const Launch& launch, std::int64_t groups, std::int64_t rows, std::int64_t columns, const float* x,
                 float* out) {
  if (rows == 0) return zero_rows(out, groups, columns, columns);  // x may be null
  constexpr int kVectors = 4;
  const std::int64_t blocks = ceil_div(columns, kVectors * kWidth);
  parallel(launch, groups * blocks, [&](std::int64_t tile, int) {
    const std::int64_t g = tile / blocks, j = tile % blocks * kVectors * kWidth, n = lower(kVectors * kWidth, columns - j);
    with_rows<kVectors>(static_cast<int>(ceil_div(n, kWidth)), [&]<int kCount>() {
      sum_rows<kCount>(rows, n, x + g * rows * columns + j, columns, out + g * columns + j);
    });
  });
}

}  // namespace

extern const LinearKernels linear_kernels;
const LinearKernels linear_kernels{packed_floats, pack_transposed, pack, forward_scratch, forward,
                                   backward_weight, backward_weight_scratch, column_sums};

}  // namespace eddy::inline v0_1::EDDY_ISA
