// Products of rows with a weight matrix by digits: forward, and the gradients of rows. Every row has a scale of its own, and so
// has every column of the weights.
#include "kernels/linear.hpp"

#include "kernels/digits.hpp"

namespace eddy::inline v0_1 {
namespace avx512 {
extern const LinearKernels linear_kernels;
}
namespace EDDY_ISA {
namespace {

constexpr std::int64_t kTileRows = 8 * kSide;

// Products with few inner indices or columns gain nothing, and those with very many do not fit: they are AVX-512's.
bool by_digits(std::int64_t inner, std::int64_t columns) { return inner >= 48 && inner <= kMostInner && columns >= kSide; }

std::int64_t packed_size(std::int64_t k, std::int64_t n) {
  return by_digits(k, n) ? DigitColumns(1, k, n).floats() : avx512::linear_kernels.packed_size(k, n);
}

// Element (k, n) at data[k k_step + n n_step].
void pack(const Launch& launch, std::int64_t inner, std::int64_t columns, const float* data, std::int64_t k_step,
          std::int64_t n_step, float* packed) {
  const DigitColumns f(1, inner, columns);
  const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i at = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(static_cast<int>(n_step)));
  parallel(launch, f.panels, [&](std::int64_t panel, int) {
    const __mmask16 there = lanes16(columns - panel * kSide);
    const float* from = data + panel * kSide * n_step;
    const auto read = [&](std::int64_t k) {
      if (k >= inner) return _mm512_setzero_ps();
      const float* p = from + k * k_step;
      if (n_step == 1) return _mm512_maskz_loadu_ps(there, p);
      return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), there, at, p, 4);
    };
    __m512i largest = _mm512_setzero_si512();
    for (std::int64_t k = 0; k < inner; ++k) largest = larger(largest, read(k));
    const Scales scales = scales_of(largest);
    _mm512_storeu_ps(packed + panel * kSide, scales.back);
    Digit* to = f.digits(packed) + panel * f.panel();
    for (std::int64_t k = 0; k < f.steps * kInner; k += 4) {
      const auto z = [&](std::int64_t i) { return digits(read(k + i), scales.to); };
      store_column_digits(z(0), z(1), z(2), z(3), to + f.at(k));
    }
  });
}

void pack_transposed(const Launch& launch, std::int64_t out, std::int64_t in, const float* w, std::int64_t ld, float* packed) {
  if (!by_digits(in, out)) return avx512::linear_kernels.pack_transposed(launch, out, in, w, ld, packed);
  pack(launch, in, out, w, 1, ld, packed);
}
void pack_plain(const Launch& launch, std::int64_t out, std::int64_t in, const float* w, std::int64_t ld, float* packed) {
  if (!by_digits(out, in)) return avx512::linear_kernels.pack(launch, out, in, w, ld, packed);
  pack(launch, out, in, w, ld, 1, packed);
}

// The rows of a tile of work: their scales, then [digit][row][inner index].
struct Rows {
  std::int64_t padded, row;
  // Zeros behind a second input may reach up to kSide beyond.
  explicit Rows(const LinearShape& s)
      : padded(round_up(s.in + s.in2, kInner)), row((ceil_div(padded + (s.in2 > 0 ? kSide : 0), kInner) | 1) * kInner) {}
  std::int64_t plane() const { return kTileRows * row; }
  std::int64_t floats() const { return kTileRows + floats_for(3 * plane()); }
};

std::int64_t forward_scratch(const LinearShape& s, int slots) {
  return by_digits(s.in + s.in2, s.out) ? slots * Rows(s).floats() : avx512::linear_kernels.forward_scratch(s, slots);
}

// m rows of x and x2 as digits.
void make_rows(const LinearShape& s, const Rows& r, std::int64_t m, const float* x, const float* x2, float* back, Digit* to) {
  for (std::int64_t r0 = 0; r0 < m; r0 += kSide) {
    const std::int64_t n = lower(kSide, m - r0);
    __m512i largest[16];
    for (std::int64_t i = 0; i < kSide; ++i) {
      largest[i] = i < n ? largest_of(x + (r0 + i) * s.in, s.in) : _mm512_setzero_si512();
      if (x2 && i < n) largest[i] = _mm512_max_epi32(largest[i], largest_of(x2 + (r0 + i) * s.in2, s.in2));
    }
    const Scales scales = scales_of(largest_lanes(largest));
    alignas(64) float scale[16];
    _mm512_store_ps(scale, scales.to);
    _mm512_storeu_ps(back + r0, scales.back);
    for (std::int64_t i = 0; i < n; ++i) {
      Digit* row = to + (r0 + i) * r.row;
      store_row_digits(x + (r0 + i) * s.in, s.in, scale[i], row, r.plane(), x2 ? round_up(s.in, kSide) : r.padded);
      if (x2) {  // which may begin within what was padded
        store_row_digits(x2 + (r0 + i) * s.in2, s.in2, scale[i], row + s.in, r.plane(), round_up(r.padded - s.in, kSide));
      }
    }
  }
}

void forward(const Launch& launch, const LinearShape& s, const float* x, const float* x2, const float* packed, const float* bias,
             const float* sample_bias, std::int64_t sample_rows, const float* residual, float* y, float* scratch) {
  if (!by_digits(s.in + s.in2, s.out)) {
    return avx512::linear_kernels.forward(launch, s, x, x2, packed, bias, sample_bias, sample_rows, residual, y, scratch);
  }
  const DigitColumns f(1, s.in + s.in2, s.out);
  const Rows r(s);
  const std::int64_t tiles_m = ceil_div(s.rows, kTileRows);
  // Few rows: split the columns too, so that there is work for all threads, but no crumbs of it.
  constexpr std::int64_t kLeast = 1 << 17;  // products of a tile
  const std::int64_t wanted = tiles_m > 0 ? ceil_div(2 * launch.slots, tiles_m) : 1;
  const std::int64_t most = ceil_div(s.rows * (s.in + s.in2) * s.out, kLeast);
  const std::int64_t per_tile = ceil_div(f.panels, lower(f.panels, lower(wanted, most < 1 ? 1 : most)));
  const std::int64_t tiles_n = ceil_div(f.panels, per_tile);
  parallel(launch, tiles_m * tiles_n, [&](std::int64_t tile, int slot) {
    const Unit unit;
    const std::int64_t first = tile / tiles_n * kTileRows, m = lower(kTileRows, s.rows - first);
    float* back = scratch + slot * r.floats();
    Digit* rows = reinterpret_cast<Digit*>(back + kTileRows);
    make_rows(s, r, m, x + first * s.in, s.in2 > 0 ? x2 + first * s.in2 : nullptr, back, rows);
    const std::int64_t from = tile % tiles_n * per_tile;
    for (std::int64_t r0 = 0; r0 < m; r0 += 2 * kSide) {  // whose digits stay in the nearest cache while the panels pass by
      for (std::int64_t panel = from; panel < lower(from + per_tile, f.panels); ++panel) {
        const std::int64_t column = panel * kSide;
        const __mmask16 there = lanes16(s.out - column);
        const __m512 scales = _mm512_loadu_ps(packed + column);
        const Digit* b = f.digits(packed) + panel * f.panel();
        alignas(64) std::int32_t sums[2 * kSums];
        const auto multiply = m - r0 > kSide ? multiply_digits<true> : multiply_digits<false>;
        multiply(f.steps, rows + r0 * r.row, r.row, r.plane(), b, b + f.panel(), sums);
        for (std::int64_t i = 0; i < lower(2 * kSide, m - r0); ++i) {
          const std::int64_t row = first + r0 + i;
          __m512 v = product_of(sums, i, back[r0 + i], scales);
          const auto add = [&](const float* what) { v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(there, what + column)); };
          if (bias) add(bias);
          if (sample_bias) add(sample_bias + row / sample_rows * s.out);
          if (residual) add(residual + row * s.out);
          _mm512_mask_storeu_ps(y + row * s.out + column, there, v);
        }
      }
    }
  });
}

}  // namespace

extern const LinearKernels linear_kernels;
// Sums over rows were no faster with digits: the table takes them from AVX-512.
const LinearKernels linear_kernels{packed_size, pack_transposed, pack_plain, forward_scratch, forward,
                                   nullptr, nullptr, nullptr};

}  // namespace EDDY_ISA
}  // namespace eddy::inline v0_1
