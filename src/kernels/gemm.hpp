// Matrix products of one tile of work, in registers of kRows x kPanel.
//
// Every element is one chain of fused multiply-adds over the inner index in order, whatever tile or tail it falls in: a
// row alone gives the same bytes as a row in a batch. Long inner sums are cut for the cache; the chain goes on from memory.
#pragma once

#include "kernels/vec.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

constexpr int kPanel = 2 * kWidth;          // columns of a register tile
constexpr std::int64_t kDepth = 384;        // inner indices between two stops in memory
constexpr std::int64_t kGradDepth = 256;    // the same for products that sum over rows

// Calls f.template operator()<M>() for m in [1, Most].
template <int Most, class F>
inline void with_rows(int m, F&& f) {
  if constexpr (Most > 1) {
    if (m < Most) return with_rows<Most - 1>(m, f);
  }
  f.template operator()<Most>();
}

template <int M>
struct Tile {
  Vec left[M], right[M];
};

template <int M>
inline void clear(Tile<M>& t) {
  for (int i = 0; i < M; ++i) t.left[i] = t.right[i] = zero();
}
template <int M>
inline void read(Tile<M>& t, const float* c, std::int64_t ldc, std::int64_t n) {
  for (int i = 0; i < M; ++i) {
    t.left[i] = load_up_to(c + i * ldc, n);
    t.right[i] = n > kWidth ? load_up_to(c + i * ldc + kWidth, n - kWidth) : zero();
  }
}
template <int M>
inline void write(const Tile<M>& t, float* c, std::int64_t ldc, std::int64_t n) {
  for (int i = 0; i < M; ++i) {
    store_up_to(c + i * ldc, t.left[i], n);
    if (n > kWidth) store_up_to(c + i * ldc + kWidth, t.right[i], n - kWidth);
  }
}
template <int M>
inline void add_row(Tile<M>& t, const float* row, std::int64_t n) {
  const Vec l = load_up_to(row, n), r = n > kWidth ? load_up_to(row + kWidth, n - kWidth) : zero();
  for (int i = 0; i < M; ++i) {
    t.left[i] += l;
    t.right[i] += r;
  }
}
template <int M>
inline void add_rows(Tile<M>& t, const float* rows, std::int64_t ld, std::int64_t n) {
  for (int i = 0; i < M; ++i) {
    t.left[i] += load_up_to(rows + i * ld, n);
    if (n > kWidth) t.right[i] += load_up_to(rows + i * ld + kWidth, n - kWidth);
  }
}

// t += A B: A has M rows of k floats at distance lda, B is k rows of kPanel floats.
template <int M>
inline __attribute__((always_inline)) void multiply(Tile<M>& t, std::int64_t k, const float* a, std::int64_t lda, const float* b) {
  Tile<M> s = t;
  for (std::int64_t p = 0; p < k; ++p) {
    const Vec l = load(b), r = load(b + kWidth);
    b += kPanel;
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) {
      const Vec x = fill(a[i * lda + p]);
      s.left[i] = fma(x, l, s.left[i]);
      s.right[i] = fma(x, r, s.right[i]);
    }
  }
  t = s;
}

// What is added to a product before it is stored. All may be null.
struct Epilogue {
  const float* bias = nullptr;         // (columns)
  const float* sample_bias = nullptr;  // (columns)
  const float* residual = nullptr;     // like the result
};

// One factor of rows: k floats each, at distance ld.
struct RowsOf {
  const float* data;
  std::int64_t k, ld;
};

// C (m x n) = [A0 A1] B + epilogue. B is packed in panels of kPanel columns, each (k0 + k1) x kPanel.
inline void product(std::int64_t m, std::int64_t n, RowsOf a0, RowsOf a1, const float* packed, float* c,
                    std::int64_t ldc, const Epilogue& epilogue) {
  const std::int64_t k_all = a0.k + a1.k;
  for (std::int64_t j = 0; j < n; j += kPanel) {
    const float* panel = packed + j * k_all;
    const std::int64_t nj = n - j;
    std::int64_t done = 0;
    const RowsOf factors[] = {a0, a1};
    for (const RowsOf& a : factors) {
      for (std::int64_t k0 = 0; k0 < a.k; k0 += kDepth) {
        const std::int64_t k = lower(kDepth, a.k - k0);
        const bool first = done == 0, last = done + k == k_all;
        for (std::int64_t i = 0; i < m; i += kRows) {
          with_rows<kRows>(static_cast<int>(lower(kRows, m - i)), [&]<int M>() {
            Tile<M> t;
            float* ci = c + i * ldc + j;
            first ? clear(t) : read(t, ci, ldc, nj);
            multiply<M>(t, k, a.data + i * a.ld + k0, a.ld, panel + done * kPanel);
            if (last) {
              if (epilogue.bias) add_row(t, epilogue.bias + j, nj);
              if (epilogue.sample_bias) add_row(t, epilogue.sample_bias + j, nj);
              if (epilogue.residual) add_rows(t, epilogue.residual + i * ldc + j, ldc, nj);
            }
            write(t, ci, ldc, nj);
          });
        }
        done += k;
      }
    }
  }
}

// t += A^T B over `depth` rows: A has M columns, B kPanel (n of them there).
template <int M>
inline __attribute__((always_inline)) void multiply_transposed(Tile<M>& t, std::int64_t depth, const float* a, std::int64_t lda,
                                                               const float* b, std::int64_t ldb) {
  Tile<M> s = t;
  for (std::int64_t p = 0; p < depth; ++p) {
    const Vec l = load(b), r = load(b + kWidth);
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) {
      const Vec x = fill(a[i]);
      s.left[i] = fma(x, l, s.left[i]);
      s.right[i] = fma(x, r, s.right[i]);
    }
    a += lda;
    b += ldb;
  }
  t = s;
}

// C (m x n) += A^T B, A (depth x m), B (depth x n): the sum over rows that gradients of weights are. Pieces of kGradDepth
// rows are summed from zero, then added to C. `tail` is scratch of kGradDepth x kPanel floats.
inline void product_transposed(std::int64_t m, std::int64_t n, std::int64_t depth, const float* a, std::int64_t lda,
                               const float* b, std::int64_t ldb, float* c, std::int64_t ldc, float* tail) {
  for (std::int64_t d0 = 0; d0 < depth; d0 += kGradDepth) {
    const std::int64_t d = lower(kGradDepth, depth - d0);
    for (std::int64_t j = 0; j < n; j += kPanel) {
      const std::int64_t nj = lower(kPanel, n - j);
      const float* bj = b + d0 * ldb + j;
      std::int64_t ldj = ldb;
      if (nj < kPanel) {
        for (std::int64_t p = 0; p < d; ++p) {
          for (int q = 0; q < kPanel; ++q) tail[p * kPanel + q] = q < nj ? bj[p * ldb + q] : 0;
        }
        bj = tail;
        ldj = kPanel;
      }
      for (std::int64_t i = 0; i < m; i += kRows) {
        with_rows<kRows>(static_cast<int>(lower(kRows, m - i)), [&]<int M>() {
          Tile<M> t;
          clear(t);
          multiply_transposed<M>(t, d, a + d0 * lda + i, lda, bj, ldj);
          float* ci = c + i * ldc + j;
          add_rows(t, ci, ldc, nj);
          write(t, ci, ldc, nj);
        });
      }
    }
  }
}

inline std::int64_t packed_floats(std::int64_t k, std::int64_t n) { return round_up(n, kPanel) * k; }

// B (k x n) -> panels; element (p, q) is read by at(p, q). Tiles are panels.
template <class At>
inline void pack_panels(const Launch& launch, std::int64_t k, std::int64_t n, float* out, At at) {
  parallel(launch, ceil_div(n, kPanel), [&](std::int64_t panel, int) {
    float* o = out + panel * kPanel * k;
    for (std::int64_t p = 0; p < k; ++p) {
      for (int q = 0; q < kPanel; ++q) {
        const std::int64_t column = panel * kPanel + q;
        *o++ = column < n ? at(p, column) : 0.0f;
      }
    }
  });
}

// Sums of `rows` rows of n floats in an order that only `rows` fixes: pieces of 64 rows, pieces added in order.
inline void sum_rows(std::int64_t rows, std::int64_t n, const float* x, std::int64_t ld, float* out) {
  for (std::int64_t j = 0; j < n; j += kWidth) {
    Vec total = zero();
    for (std::int64_t r0 = 0; r0 < rows; r0 += 64) {
      Vec piece = zero();
      const std::int64_t end = lower(rows, r0 + 64);
      for (std::int64_t r = r0; r < end; ++r) piece += load_up_to(x + r * ld + j, n - j);
      total += piece;
    }
    store_up_to(out + j, total, n - j);
  }
}

}  // namespace
}  // namespace eddy::inline v0_1::EDDY_ISA
