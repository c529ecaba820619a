// Matrix products of one tile of work, in registers of kRows x kPanel.
//
// Every element is one chain of fused multiply-adds over the inner index in order, whatever tile or tail it falls in: a
// row alone gives the same bytes as a row in a batch. Long inner sums are cut for the cache; the chain goes on from memory.
#pragma once

#include "kernels/vec.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

constexpr int kPanel = 2 * kWidth;          // columns of a register tile
constexpr std::int64_t kDepth = 256;        // inner indices between two stops in memory
constexpr std::int64_t kGradDepth = 256;    // the same for products that sum over rows

// Rows of the next register tile where so many are left: a last tile of one or two rows would wait for its few chains.
constexpr std::int64_t next_rows(std::int64_t left) {
  return left >= 2 * kRows ? kRows : left > kRows ? (left + 1) / 2 : left;
}

// Calls f.template operator()<M>() for m in [1, Most].
template <int Most, class F>
inline void with_rows(int m, F&& f) {
  if constexpr (Most > 1) {
    if (m < Most) return with_rows<Most - 1>(m, f);
  }
  f.template operator()<Most>();
}

// Sums of M rows in registers. Every loop over rows is unrolled: an index that is not a constant would send them to memory.
template <int M>
struct Tile {
  Vec left[M], right[M];
};

template <int M>
EDDY_INLINE void clear(Tile<M>& t) {
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i) t.left[i] = t.right[i] = zero();
}
template <bool kWhole>
EDDY_INLINE Vec load_right(const Real* p, std::int64_t n) {
  return kWhole || n > kWidth ? load_first<kWhole>(p + kWidth, n - kWidth) : zero();
}
template <bool kWhole, int M>
EDDY_INLINE void read(Tile<M>& t, const Real* c, std::int64_t ldc, std::int64_t n) {
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i) {
    t.left[i] = load_first<kWhole>(c + i * ldc, n);
    t.right[i] = load_right<kWhole>(c + i * ldc, n);
  }
}
template <bool kWhole, int M>
EDDY_INLINE void write(const Tile<M>& t, Real* c, std::int64_t ldc, std::int64_t n) {
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i) {
    store_first<kWhole>(c + i * ldc, t.left[i], n);
    if (kWhole || n > kWidth) store_first<kWhole>(c + i * ldc + kWidth, t.right[i], n - kWidth);
  }
}
// The same row to all.
template <bool kWhole, int M>
EDDY_INLINE void add_row(Tile<M>& t, const Real* row, std::int64_t n) {
  const Vec l = load_first<kWhole>(row, n), r = load_right<kWhole>(row, n);
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i) {
    t.left[i] += l;
    t.right[i] += r;
  }
}
template <bool kWhole, int M>
EDDY_INLINE void add_rows(Tile<M>& t, const Real* rows, std::int64_t ld, std::int64_t n) {
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i) {
    t.left[i] += load_first<kWhole>(rows + i * ld, n);
    t.right[i] += load_right<kWhole>(rows + i * ld, n);
  }
}

// What is called into the cache meanwhile: the next panel of weights; or the next rows, and of the result, too, where chains are
// short.
enum class Next { panel, rows };
constexpr std::int64_t kShortChain = 96;  // inner indices: to write a result out of the cache takes about as long

// What the next tiles will read: a stretch of it, an element of every `step`, is called into the cache on the way. It may lie
// beyond the end of an array, as nothing is read there.
struct Ahead {
  const Real* data;
  std::int64_t step;
};

// Into the nearest cache, where two panels fit into half of it; else into the second one.
constexpr int kNearness = kPanel * kDepth * static_cast<std::int64_t>(sizeof(float)) <= 1 << 14 ? 3 : 2;

// t += A B: A has M rows of k floats at distance lda, B is k rows of kPanel floats.
template <int M>
EDDY_INLINE void multiply(Tile<M>& t, std::int64_t k, const Real* a, std::int64_t lda, const Real* b, Ahead ahead) {
  for (std::int64_t p = 0; p < k; ++p) {
    __builtin_prefetch(ahead.data, 0, kNearness);
    ahead.data += ahead.step;
    const Vec l = load(b), r = load(b + kWidth);
    b += kPanel;
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) {
      const Vec x = fill(a[i * lda + p]);
      t.left[i] = fma(x, l, t.left[i]);
      t.right[i] = fma(x, r, t.right[i]);
    }
  }
}

// What is added to a product before it is stored. All may be null.
struct Epilogue {
  const Real* bias = nullptr;         // (columns)
  const Real* sample_bias = nullptr;  // (columns)
  const Real* residual = nullptr;     // like the result
};

// One factor of rows: k floats each, at distance ld.
struct RowsOf {
  const Real* data;
  std::int64_t k, ld;
};

// M rows of one panel of C (n columns of it) over a stretch of the inner index: from zero, or on from what C holds.
template <int M, bool kWhole>
inline void product_tile(std::int64_t k, const Real* a, std::int64_t lda, const Real* b, Real* c, std::int64_t ldc,
                         std::int64_t n, bool first, bool last, const Epilogue& epilogue, Ahead ahead) {
  Tile<M> t;
  first ? clear(t) : read<kWhole>(t, c, ldc, n);
  multiply<M>(t, k, a, lda, b, ahead);
  if (last) {
    if (epilogue.bias) add_row<kWhole>(t, epilogue.bias, n);
    if (epilogue.sample_bias) add_row<kWhole>(t, epilogue.sample_bias, n);
    if (epilogue.residual) add_rows<kWhole>(t, epilogue.residual, ldc, n);
  }
  write<kWhole>(t, c, ldc, n);
}

// Calls rows of a result's panel into the cache to be written.
inline void call_result(const Real* c, std::int64_t rows, std::int64_t ldc) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t q = 0; q < kPanel; q += kLine) __builtin_prefetch(c + r * ldc + q, 1, 2);
  }
}

// C (m x n) = [A0 A1] B + epilogue, or C += with `onto`: the chains go on from what C holds. B is packed in panels of kPanel
// columns, each (k0 + k1) x kPanel.
inline void product(std::int64_t m, std::int64_t n, RowsOf a0, RowsOf a1, const Real* packed, Real* c,
                    std::int64_t ldc, const Epilogue& e, bool onto = false, Next next = Next::panel) {
  if (m == 0) return;
  const std::int64_t k_all = a0.k + a1.k;
  const bool short_chains = next == Next::rows && k_all <= kShortChain;
  const RowsOf factors[] = {a0, a1};
  for (std::int64_t j = 0; j < n; j += kPanel) {
    const Real* panel = packed + j * k_all;
    std::int64_t done = 0;
    for (const RowsOf& a : factors) {
      for (std::int64_t k0 = 0; k0 < a.k; k0 += kDepth) {
        const std::int64_t k = lower(kDepth, a.k - k0);
        const bool first = done == 0 && !onto, last = done + k == k_all;
        Ahead ahead{panel + (done + k) * kPanel, kPanel / ceil_div(m, kRows)};
        for (std::int64_t i = 0, rows; i < m; i += rows, ahead.data += k * ahead.step) {
          rows = next_rows(m - i);
          if (short_chains && done == 0) call_result(c + (i + rows) * ldc + j, rows, ldc);
          if (next == Next::rows) ahead = {a.data + (i + rows) * a.ld + k0, ceil_div(kRows * a.ld, k)};
          const Epilogue at{e.bias ? e.bias + j : nullptr, e.sample_bias ? e.sample_bias + j : nullptr,
                            e.residual ? e.residual + i * ldc + j : nullptr};
          with_rows<kRows>(static_cast<int>(rows), [&]<int M>() {
            (n - j >= kPanel ? product_tile<M, true> : product_tile<M, false>)(
                k, a.data + i * a.ld + k0, a.ld, panel + done * kPanel, c + i * ldc + j, ldc, n - j, first, last, at, ahead);
          });
        }
        done += k;
      }
    }
  }
}

// t += A^T B over `depth` rows: A has M columns, B kPanel.
template <int M>
EDDY_INLINE void multiply_transposed(Tile<M>& t, std::int64_t depth, const Real* a, std::int64_t lda, const Real* b,
                                     std::int64_t ldb, Ahead ahead) {
  for (std::int64_t p = 0; p < depth; ++p) {
    __builtin_prefetch(ahead.data, 0, 2);
    ahead.data += ahead.step;
    const Vec l = load(b), r = load(b + kWidth);
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) {
      const Vec x = fill(a[i]);
      t.left[i] = fma(x, l, t.left[i]);
      t.right[i] = fma(x, r, t.right[i]);
    }
    a += lda;
    b += ldb;
  }
}

template <int M, bool kWhole>
inline void transposed_tile(std::int64_t depth, const Real* a, std::int64_t lda, const Real* b, std::int64_t ldb, Real* c,
                            std::int64_t ldc, std::int64_t n, bool onto, Ahead ahead) {
  Tile<M> t;
  clear(t);
  multiply_transposed<M>(t, depth, a, lda, b, ldb, ahead);
  if (onto) add_rows<kWhole>(t, c, ldc, n);
  write<kWhole>(t, c, ldc, n);
}

// d floats of each row, which lie at distance ld.
inline void zero_rows(Real* rows, std::int64_t count, std::int64_t d, std::int64_t ld) {
  for (std::int64_t r = 0; r < count; ++r) {
    for (std::int64_t c = 0; c < d; ++c) rows[r * ld + c] = 0;
  }
}

// Into how many parts the rows are cut whose sums are gradients of weights, where that many blocks of weights share them: enough
// tasks for many threads, at least two pieces each. Parts are summed apart, then in order.
constexpr std::int64_t parts_of(std::int64_t rows, std::int64_t blocks) {
  constexpr std::int64_t kTasks = 16;
  const std::int64_t most = rows / (2 * kGradDepth);
  return most < 1 ? 1 : lower(most, ceil_div(kTasks, blocks));
}

// c (rows x columns, at distance ld) = the sum, in order, of so many parts of rows x columns, one behind the other.
inline void sum_parts(const Launch& launch, std::int64_t parts, std::int64_t rows, std::int64_t columns, const Real* of_parts,
                      Real* c, std::int64_t ld) {
  parallel(launch, rows, [&](std::int64_t r, int) {
    for (std::int64_t i = 0; i < columns; i += kWidth) {
      Vec sum = zero();
      for (std::int64_t part = 0; part < parts; ++part) {
        sum += load_up_to(of_parts + (part * rows + r) * columns + i, columns - i);
      }
      store_up_to(c + r * ld + i, sum, columns - i);
    }
  });
}

// C (m x n) = A^T B, or C += with `onto`; A (depth x m), B (depth x n): the sum over rows that gradients of weights are.
// Pieces of kGradDepth rows are summed from zero, then added to C. `tail` is scratch of kGradDepth x kPanel floats, for
// an n that is no multiple of kPanel.
inline void product_transposed(std::int64_t m, std::int64_t n, std::int64_t depth, const Real* a, std::int64_t lda,
                               const Real* b, std::int64_t ldb, Real* c, std::int64_t ldc, Real* tail,
                               bool onto = true, const Real* next = nullptr) {
  if (depth == 0 && !onto) zero_rows(c, m, n, ldc);
  // A column of cache lines for each tile: of the next panel of B, or of the next piece of B and of A.
  constexpr std::int64_t kLines = ceil_div(kPanel, kLine);
  const auto ahead_of = [&](std::int64_t tile, std::int64_t j, std::int64_t piece_end, const Real* bj, std::int64_t ldj) {
    if (j + kPanel < n) return Ahead{bj + kPanel + tile % kLines * kLine, ldj};
    if (piece_end == depth) return Ahead{(next ? next : bj) + tile % kLines * kLine, ldj};
    if (tile < kLines) return Ahead{b + piece_end * ldb + tile * kLine, ldb};
    return Ahead{a + piece_end * lda + lower((tile - kLines) * kLine, m - 1), lda};
  };
  for (std::int64_t d0 = 0; d0 < depth; d0 += kGradDepth) {
    const std::int64_t d = lower(kGradDepth, depth - d0);
    for (std::int64_t j = 0; j < n; j += kPanel) {
      const std::int64_t nj = lower(kPanel, n - j);
      const Real* bj = b + d0 * ldb + j;
      std::int64_t ldj = ldb;
      if (nj < kPanel) {
        for (std::int64_t p = 0; p < d; ++p) {
          for (int q = 0; q < kPanel; ++q) tail[p * kPanel + q] = q < nj ? bj[p * ldb + q] : 0;
        }
        bj = tail;
        ldj = kPanel;
      }
      for (std::int64_t i = 0, tile = 0, rows; i < m; i += rows, ++tile) {
        rows = next_rows(m - i);
        const Ahead ahead = ahead_of(tile, j, d0 + d, bj, ldj);
        with_rows<kRows>(static_cast<int>(rows), [&]<int M>() {
          (nj == kPanel ? transposed_tile<M, true> : transposed_tile<M, false>)(d, a + d0 * lda + i, lda, bj, ldj,
                                                                             c + i * ldc + j, ldc, nj, onto || d0 > 0,
                                                                             ahead);
        });
      }
    }
  }
}

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
