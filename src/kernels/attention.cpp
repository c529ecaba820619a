// Softmax attention, a block of queries at a time: the full score matrix is never there [Rabe2021, Dao2022].
//
//   S = scale q k^T + bias,  P = exp(S - top) / sum exp(S - top),  out = P v,  top the largest of a row
//   dv = P^T dout,  dP = dout v^T,  dS = P (dP - sum(dout out)),  dq = scale dS k,  dk = scale dS^T q,  dbias = dS
//
// Backward makes P again from q, k, top and the sum. Keys and values of a head are packed once for all its blocks.
#include "kernels/attention.hpp"

#include "kernels/math.hpp"
#include "kernels/pack.hpp"
#include "kernels/transpose.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

constexpr std::int64_t kLeastBlock = 4 * kRows;  // queries of a block, unless there are fewer
constexpr std::int64_t kMostBlock = 2 * kLeastBlock - 1;
constexpr Real kHidden = -1e30f;

struct Heads {
  const AttentionShape& s;
  std::int64_t q_row, kv_row, ratio, key_floats, value_floats, score_row;
  std::int64_t block, blocks;  // queries are cut evenly: 49 are one block, not 48 and 1
  explicit Heads(const AttentionShape& shape) : s(shape) {
    q_row = s.heads * s.d;
    kv_row = s.kv_heads * s.d;
    ratio = s.heads / s.kv_heads;
    key_floats = packed_floats(s.d, s.keys);    // k^T or v^T as right factor
    value_floats = packed_floats(s.keys, s.d);  // v or k as right factor
    score_row = round_up(s.keys, kPanel);
    const std::int64_t most = s.queries / kLeastBlock;
    block = most > 1 ? ceil_div(s.queries, most) : kMostBlock;
    blocks = ceil_div(s.queries, block);
  }
  const Real* queries(const Real* q, std::int64_t n, std::int64_t h) const { return q + n * s.queries * q_row + h * s.d; }
  const Real* rows(const Real* k, std::int64_t n, std::int64_t h) const {
    return k + n * s.keys * kv_row + h / ratio * s.d;
  }
};

// rows (keys x d, at distance ld) as a right factor: transposed (d x keys), or as it is (keys x d).
inline void pack_keys(const Real* rows, std::int64_t keys, std::int64_t d, std::int64_t ld, Real* out) {
  for (std::int64_t j = 0; j < keys; j += kPanel, out += d * kPanel) {
    for (std::int64_t half = 0; half < kPanel; half += kWidth) {
      for (std::int64_t c = 0; c < d; c += kWidth) {
        Vec square[kWidth];
        for (int q = 0; q < kWidth; ++q) {
          const std::int64_t key = j + half + q;
          square[q] = key < keys ? load_up_to(rows + key * ld + c, d - c) : zero();
        }
        transpose(square);
        for (std::int64_t i = 0; i < lower(kWidth, d - c); ++i) store(out + (c + i) * kPanel + half, square[i]);
      }
    }
  }
}
inline void pack_values(const Real* rows, std::int64_t keys, std::int64_t d, std::int64_t ld, Real* out) {
  for (std::int64_t j = 0; j < d; j += kPanel) {
    for (std::int64_t r = 0; r < keys; ++r, out += kPanel) {
      for (std::int64_t half = 0; half < kPanel; half += kWidth) {
        const std::int64_t there = d - j - half;
        store(out + half, there > 0 ? load_up_to(rows + r * ld + j + half, there) : zero());
      }
    }
  }
}

// Scaled scores of m queries from `first` on, hidden keys far below.
inline void scores(const Heads& w, const AttentionInputs<Real>& in, std::int64_t n, std::int64_t h, std::int64_t first,
                   std::int64_t m, const Real* packed_keys, Real* out) {
  const AttentionShape& s = w.s;
  product(m, s.keys, {w.queries(in.q, n, h) + first * w.q_row, s.d, w.q_row}, {nullptr, 0, 0}, packed_keys, out, w.score_row,
          {});
  const Vec scale = fill(static_cast<Real>(s.scale));
  const Real* mask = in.key_mask ? in.key_mask + n * s.keys : nullptr;
  for (std::int64_t i = 0; i < m; ++i) {
    Real* row = out + i * w.score_row;
    const Real* bias = in.bias.data ? in.bias.data + n * in.bias.sample_stride + h * in.bias.head_stride +
                                           (first + i) * in.bias.query_stride
                                     : nullptr;
    for (std::int64_t j = 0; j < s.keys; j += kWidth) {
      Vec v = scale * load_up_to(row + j, s.keys - j);
      if (bias) v += load_up_to(bias + j, s.keys - j);
      store_up_to(row + j, v, s.keys - j);
    }
    for (std::int64_t j = 0; mask && j < s.keys; ++j) row[j] = mask[j] == 0 ? kHidden : row[j];
    for (std::int64_t j = first + i + 1; s.causal && j < s.keys; ++j) row[j] = kHidden;
  }
}

// row = exp(row - shift); returns the sum. Hidden keys give 0.
inline Real exponentials(Real* row, std::int64_t keys, Real shift) {
  Vec total = zero();
  for (std::int64_t j = 0; j < keys; j += kWidth) {
    const std::int64_t n = keys - j;
    const Vec x = load_up_to(row + j, n);
    const Vec all = x <= fill(0.5f * kHidden) ? zero() : exp(x - fill(shift));
    const Vec e = first_of(all, n, zero());
    store_up_to(row + j, e, n);
    total += e;
  }
  return sum(total);
}

inline Real largest_of(const Real* row, std::int64_t keys) {
  Vec best = fill(kHidden);
  for (std::int64_t j = 0; j < keys; j += kWidth) {
    const std::int64_t n = keys - j;
    best = max(best, first_of(load_up_to(row + j, n), n, fill(kHidden)));
  }
  return largest(best);
}

std::int64_t forward_scratch(const AttentionShape& s, int slots) {
  const Heads w(s);
  return s.n * s.kv_heads * (w.key_floats + w.value_floats) + slots * w.block * w.score_row;
}

void forward(const Launch& launch, const AttentionShape& s, const AttentionInputs<Real>& in, Real* out, Real* stats,
             Real* scratch) {
  const Heads w(s);
  const std::int64_t head_floats = w.key_floats + w.value_floats;
  Real* score_memory = scratch + s.n * s.kv_heads * head_floats;
  parallel(launch, s.n * s.kv_heads, [&](std::int64_t t, int) {
    const std::int64_t n = t / s.kv_heads, h = t % s.kv_heads * w.ratio;
    pack_keys(w.rows(in.k, n, h), s.keys, s.d, w.kv_row, scratch + t * head_floats);
    pack_values(w.rows(in.v, n, h), s.keys, s.d, w.kv_row, scratch + t * head_floats + w.key_floats);
  });
  parallel(launch, s.n * s.heads * w.blocks, [&](std::int64_t tile, int slot) {
    const std::int64_t head = tile / w.blocks, n = head / s.heads, h = head % s.heads;
    const std::int64_t first = tile % w.blocks * w.block, m = lower(w.block, s.queries - first);
    const Real* packed = scratch + (n * s.kv_heads + h / w.ratio) * head_floats;
    Real* p = score_memory + slot * w.block * w.score_row;
    scores(w, in, n, h, first, m, packed, p);
    Real inverse[kMostBlock];
    for (std::int64_t i = 0; i < m; ++i) {
      const Real top = largest_of(p + i * w.score_row, s.keys);
      const Real total = exponentials(p + i * w.score_row, s.keys, top);
      inverse[i] = total > 0 ? 1 / total : 0;
      Real* st = stats + (head * s.queries + first + i) * 2;
      st[0] = top;
      st[1] = inverse[i];
    }
    Real* o = out + (n * s.queries + first) * w.q_row + h * s.d;
    product(m, s.d, {p, s.keys, w.score_row}, {nullptr, 0, 0}, packed + w.key_floats, o, w.q_row, {});
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t c = 0; c < s.d; c += kWidth) {
        Real* at = o + i * w.q_row + c;
        store_up_to(at, load_up_to(at, s.d - c) * fill(inverse[i]), s.d - c);
      }
    }
  });
}

std::int64_t slot_floats(const Heads& w) {
  return 2 * w.key_floats + w.value_floats + 2 * w.block * w.score_row + kGradDepth * kPanel;
}
std::int64_t backward_scratch(const AttentionShape& s, int slots) { return slots * slot_floats(Heads(s)); }

// dS of a block from P and dP, in place of dP.
inline void score_gradient(const Heads& w, std::int64_t m, const Real* out, const Real* dout, const Real* p, Real* dp) {
  for (std::int64_t i = 0; i < m; ++i) {
    Vec dots = zero();
    for (std::int64_t c = 0; c < w.s.d; c += kWidth) {
      const std::int64_t n = w.s.d - c;
      dots = fma(load_up_to(out + i * w.q_row + c, n), load_up_to(dout + i * w.q_row + c, n), dots);
    }
    const Vec delta = fill(sum(dots));
    for (std::int64_t j = 0; j < w.s.keys; j += kWidth) {
      const std::int64_t n = w.s.keys - j, at = i * w.score_row + j;
      store_up_to(dp + at, load_up_to(p + at, n) * (load_up_to(dp + at, n) - delta), n);
    }
  }
}

struct BackwardWork {
  const AttentionInputs<Real>& in;
  const Real* out;
  const Real* stats;
  const Real* dout;
  Real* dq;
  Real* dk;
  Real* dv;
  Real* dbias;
};

inline void add_bias_gradient(const Heads& w, const AttentionBias<Real>& bias, std::int64_t n, std::int64_t h, std::int64_t first,
                              std::int64_t m, const Real* ds, Real* dbias) {
  for (std::int64_t i = 0; i < m; ++i) {
    Real* to = dbias + n * bias.sample_stride + h * bias.head_stride + (first + i) * bias.query_stride;
    for (std::int64_t j = 0; j < w.s.keys; ++j) to[j] += ds[i * w.score_row + j];
  }
}

// All query heads that share a key head, block by block: dk and dv have one order of sums.
void backward_head(const Heads& w, const BackwardWork& b, std::int64_t n, std::int64_t kv_head, Real* memory) {
  const AttentionShape& s = w.s;
  Real* keys_t = memory;
  Real* values_t = keys_t + w.key_floats;
  Real* keys = values_t + w.key_floats;
  Real* p = keys + w.value_floats;
  Real* ds = p + w.block * w.score_row;
  Real* tail = ds + w.block * w.score_row;
  const std::int64_t h0 = kv_head * w.ratio, kv_at = n * s.keys * w.kv_row + kv_head * s.d;
  pack_keys(b.in.k + kv_at, s.keys, s.d, w.kv_row, keys_t);
  pack_keys(b.in.v + kv_at, s.keys, s.d, w.kv_row, values_t);
  pack_values(b.in.k + kv_at, s.keys, s.d, w.kv_row, keys);
  zero_rows(b.dk + kv_at, s.keys, s.d, w.kv_row);
  zero_rows(b.dv + kv_at, s.keys, s.d, w.kv_row);
  for (std::int64_t h = h0; h < h0 + w.ratio; ++h) {
    for (std::int64_t first = 0; first < s.queries; first += w.block) {
      const std::int64_t m = lower(w.block, s.queries - first);
      const std::int64_t at = (n * s.queries + first) * w.q_row + h * s.d;
      scores(w, b.in, n, h, first, m, keys_t, p);
      for (std::int64_t i = 0; i < m; ++i) {
        const Real* st = b.stats + ((n * s.heads + h) * s.queries + first + i) * 2;
        Real* row = p + i * w.score_row;
        exponentials(row, s.keys, st[0]);
        for (std::int64_t j = 0; j < w.score_row; j += kWidth) store(row + j, load(row + j) * fill(st[1]));
      }
      product(m, s.keys, {b.dout + at, s.d, w.q_row}, {nullptr, 0, 0}, values_t, ds, w.score_row, {});
      product_transposed(s.keys, s.d, m, p, w.score_row, b.dout + at, w.q_row, b.dv + kv_at, w.kv_row, tail);
      score_gradient(w, m, b.out + at, b.dout + at, p, ds);
      if (b.dbias) add_bias_gradient(w, b.in.bias, n, h, first, m, ds, b.dbias);
      const Vec scale = fill(static_cast<Real>(s.scale));
      for (std::int64_t i = 0; i < m * w.score_row; i += kWidth) store(ds + i, scale * load(ds + i));
      product(m, s.d, {ds, s.keys, w.score_row}, {nullptr, 0, 0}, keys, b.dq + at, w.q_row, {});
      product_transposed(s.keys, s.d, m, ds, w.score_row, b.in.q + at, w.q_row, b.dk + kv_at, w.kv_row, tail);
    }
  }
}

void backward(const Launch& launch, const AttentionShape& s, const AttentionInputs<Real>& in, const Real* out, const Real* stats,
              const Real* dout, Real* dq, Real* dk, Real* dv, Real* dbias, Real* scratch) {
  const Heads w(s);
  const BackwardWork work{in, out, stats, dout, dq, dk, dv, dbias};
  const std::int64_t tiles = s.n * s.kv_heads;
  if (dbias) {
    for (std::int64_t t = 0; t < tiles; ++t) backward_head(w, work, t / s.kv_heads, t % s.kv_heads, scratch);
    return;
  }
  parallel(launch, tiles, [&](std::int64_t t, int slot) {
    backward_head(w, work, t / s.kv_heads, t % s.kv_heads, scratch + slot * slot_floats(w));
  });
}

}  // namespace

extern const AttentionKernels<Real> attention_kernels;
const AttentionKernels<Real> attention_kernels{forward_scratch, forward, backward_scratch, backward};

}  // namespace eddy::inline v0_1::EDDY_ISA
