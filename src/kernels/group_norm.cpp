// Group norm over (pixels, channels of a group) [Wu2018], fused with scale, shift and SiLU.
//
//   xhat = (x - mean) r,  r = 1 / sqrt(var + eps),  u = 1 + scale,  z = (gamma xhat + beta) u + shift,  y = act(z)
//
// with per-channel factors z = x a + b, a = r gamma u, b = (beta - mean r gamma) u + shift. Backward, dz = dy act'(z),
// and for each sample and channel A = sum dz, B = sum dz xhat:
//
//   dshift = A,  dscale = gamma B + beta A,  dgamma = sum_n u B,  dbeta = sum_n u A
//   dx = r (gamma u dz - S1 / m - xhat S2 / m),  S1 = sum_c gamma u A,  S2 = sum_c gamma u B over the group's m elements
//
// The statistics take one pass: sums of x - x_0 and its square for each channel, x_0 the channel's first pixel, in float
// over 64 pixels, then in double; channels are joined exactly. docs/derivations/group_norm.md derives the backward.
#include "kernels/group_norm.hpp"

#include "kernels/math.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

constexpr std::int64_t kChunk = 256;    // pixels whose sums are one
constexpr std::int64_t kPiece = 64;     // pixels summed in float, or written by a tile of work
constexpr std::int64_t kChannels = 64;  // of a tile of work that sums
constexpr std::int64_t kManySamples = 8;
constexpr std::int64_t kLittle = 1 << 14;      // elements
constexpr std::int64_t kNextSample = 1 << 17;  // of a sample that is called into the cache ahead, at most

// One sample's view: the two inputs behind each other along the channels.
struct Source {
  const Real* data;
  std::int64_t channels, first;  // first: its place among the joined channels
};

struct Norm {
  const GroupNormShape& s;
  const GroupNormInputs<Real>& in;
  std::int64_t channels, chunks;
  Norm(const GroupNormShape& shape, const GroupNormInputs<Real>& inputs)
      : s(shape), in(inputs), channels(shape.c1 + shape.c2), chunks(ceil_div(shape.pixels, kChunk)) {}
  Source source(int i, std::int64_t sample) const {
    return i == 0 ? Source{in.x + sample * s.pixels * s.c1, s.c1, 0}
                  : Source{in.x2 + sample * s.pixels * s.c2, s.c2, s.c1};
  }
  // Enough samples, or little to do: a sample is one tile of work, and stays in the cache.
  bool by_samples() const { return s.n >= kManySamples || s.n * s.pixels * channels < kLittle; }
  bool calls_next(std::int64_t sample) const {
    return by_samples() && sample + 1 < s.n && s.pixels * channels <= kNextSample;
  }
  int sources() const { return s.c2 > 0 ? 2 : 1; }
  std::int64_t end_of(std::int64_t chunk) const { return lower(s.pixels, (chunk + 1) * kChunk); }
  // Blocks of kChannels, those of the first source first.
  std::int64_t blocks() const { return ceil_div(s.c1, kChannels) + ceil_div(s.c2, kChannels); }
  // Of a sample: two sums of each chunk and channel, and five factors of each channel.
  std::int64_t scratch() const { return round_up(channels * (chunks * 4 + 5), kLine); }
  double* sums(Real* scratch, std::int64_t chunk) const {
    return reinterpret_cast<double*>(scratch) + chunk * 2 * channels;
  }
  Real* factors(Real* scratch) const { return scratch + channels * chunks * 4; }
};

// A stretch of what is worked on: channels of one source, and pixels.
struct Block {
  int source;
  std::int64_t first, last;

  // Block b of a norm.
  Block(const Norm& w, std::int64_t b) {
    const std::int64_t of_first = ceil_div(w.s.c1, kChannels);
    source = b < of_first ? 0 : 1;
    first = (b - (source == 0 ? 0 : of_first)) * kChannels;
    last = lower(first + kChannels, source == 0 ? w.s.c1 : w.s.c2);
  }
};
struct Pixels {
  std::int64_t first, last;
};

constexpr int kAtOnce = 4;                             // vectors whose terms are made side by side
constexpr int kTogether = kWidth >= 16 ? kAtOnce : 2;  // at most, of a pixel: they lie side by side

// All floats of some vectors.
template <int kVectors>
using Whole = std::integral_constant<std::int64_t, kVectors * kWidth>;

// f.operator()<kVectors>(c, n) for kTogether, 2 or 1 vectors of channels from c on, up to `end`. n floats of them are there: a
// constant, Whole, or fewer than kWidth of a last vector.
template <class F>
EDDY_INLINE void by_vectors(std::int64_t c, std::int64_t end, F&& f) {
  if constexpr (kTogether > 2) {
    for (; c + kTogether * kWidth <= end; c += kTogether * kWidth) f.template operator()<kTogether>(c, Whole<kTogether>{});
  }
  for (; c + 2 * kWidth <= end; c += 2 * kWidth) f.template operator()<2>(c, Whole<2>{});
  for (; c + kWidth <= end; c += kWidth) f.template operator()<1>(c, Whole<1>{});
  if (c < end) f.template operator()<1>(c, end - c);
}

// kPixels stretches of kVectors vectors, the first n floats of each there; the next pixel lies at `step`.
template <int kPixels, int kVectors>
EDDY_INLINE Vecs<kPixels * kVectors> load_pixels(const Real* p, std::int64_t step, std::int64_t n) {
  return Vecs<kPixels * kVectors>::each([&](int i) {
    return load_up_to(p + i / kVectors * step + i % kVectors * kWidth, n - i % kVectors * kWidth);
  });
}
template <int kPixels, int kVectors>
EDDY_INLINE void store_pixels(Real* p, std::int64_t step, const Vecs<kPixels * kVectors>& x, std::int64_t n) {
#pragma GCC unroll 8
  for (int i = 0; i < kPixels * kVectors; ++i) {
    store_up_to(p + i / kVectors * step + i % kVectors * kWidth, x.v[i], n - i % kVectors * kWidth);
  }
}
// Calls them into the cache, to be read or written.
template <int kPixels, int kVectors, bool kWritten>
EDDY_INLINE void call_pixels(const Real* p, std::int64_t step) {
#pragma GCC unroll 8
  for (int i = 0; i < kPixels * kVectors; ++i) {
    const std::int64_t at = i % kVectors * kWidth;
    if (at % kLine == 0) __builtin_prefetch(p + i / kVectors * step + at, kWritten, 2);
  }
}
// What is the same for all pixels.
template <int kPixels, int kVectors>
EDDY_INLINE Vecs<kPixels * kVectors> load_channels(const Real* p, std::int64_t n) {
  return load_pixels<kPixels, kVectors>(p, 0, n);
}

// f.operator()<kPixels>(p) for kAtOnce / kVectors pixels from p on, or for one.
template <int kVectors, class F>
EDDY_INLINE void by_pixels(std::int64_t p, std::int64_t end, F&& f) {
  constexpr int kPixels = kAtOnce / kVectors;
  for (; p + kPixels <= end; p += kPixels) f.template operator()<kPixels>(p);
  for (; p < end; ++p) f.template operator()<1>(p);
}

// For each channel of a block, over the pixels of a chunk: the sums of u and of u x, which
// term.operator()<kPixels, kVectors>(pixel, channel, channels that are there, u, x) gives.
template <class Term>
inline void sum_chunk(const Norm& w, std::int64_t chunk, const Block& block, const Source& source, double* sums, Term&& term) {
  const std::int64_t begin = chunk * kChunk, end = w.end_of(chunk);
  by_vectors(block.first, block.last, [&]<int kVectors>(std::int64_t c, auto n) {
    double first[kVectors * kWidth] = {}, second[kVectors * kWidth] = {};
    for (std::int64_t p0 = begin; p0 < end; p0 += kPiece) {
      Vecs<kVectors> a(zero()), b(zero());
      by_pixels<kVectors>(p0, lower(end, p0 + kPiece), [&]<int kPixels>(std::int64_t p) EDDY_INLINED {
        Vecs<kPixels * kVectors> u, x;
        term.template operator()<kPixels, kVectors>(p, c, n, u, x);
#pragma GCC unroll 8
        for (int i = 0; i < kPixels * kVectors; ++i) {
          a.v[i % kVectors] += u.v[i];
          b.v[i % kVectors] = fma(u.v[i], x.v[i], b.v[i % kVectors]);
        }
      });
      for (int q = 0; q < kVectors * kWidth; ++q) {
        first[q] += a.v[q / kWidth][q % kWidth];
        second[q] += b.v[q / kWidth][q % kWidth];
      }
    }
    for (std::int64_t q = 0; q < n; ++q) {
      sums[source.first + c + q] = first[q];
      sums[w.channels + source.first + c + q] = second[q];
    }
  });
}

void block_statistics(const Norm& w, std::int64_t sample, std::int64_t chunk, const Block& block, double* sums) {
  const Source source = w.source(block.source, sample);
  sum_chunk(w, chunk, block, source, sums,
            [&]<int kPixels, int kVectors>(std::int64_t p, std::int64_t c, auto n, auto& u, auto& x) EDDY_INLINED {
              const Real* at = source.data + p * source.channels + c;
              u = load_pixels<kPixels, kVectors>(at, source.channels, n) - load_channels<kPixels, kVectors>(source.data + c, n);
              x = u;
            });
}

// Adds the chunks of a sample into the first, in order.
inline double* joined(const Norm& w, Real* scratch) {
  double* total = w.sums(scratch, 0);
  for (std::int64_t chunk = 1; chunk < w.chunks; ++chunk) {
    const double* next = w.sums(scratch, chunk);
    for (std::int64_t i = 0; i < 2 * w.channels; ++i) total[i] += next[i];
  }
  return total;
}

void sample_statistics(const Norm& w, std::int64_t sample, const double* total, Real* stats) {
  const std::int64_t width = w.channels / w.s.groups;
  const double pixels = static_cast<double>(w.s.pixels);
  const auto first_pixel = [&](std::int64_t c) {
    const Source source = w.source(c < w.s.c1 ? 0 : 1, sample);
    return static_cast<double>(source.data[c - source.first]);
  };
  for (std::int64_t g = 0; g < w.s.groups; ++g) {
    double mean = 0, squares = 0;
    for (std::int64_t c = g * width; c < (g + 1) * width; ++c) mean += first_pixel(c) + total[c] / pixels;
    mean /= static_cast<double>(width);
    for (std::int64_t c = g * width; c < (g + 1) * width; ++c) {
      const double own = first_pixel(c) + total[c] / pixels - mean;
      const double spread = total[w.channels + c] - total[c] * total[c] / pixels;
      squares += (spread > 0 ? spread : 0) + pixels * own * own;
    }
    const double variance = squares / (pixels * static_cast<double>(width));
    stats[(sample * w.s.groups + g) * 2] = static_cast<Real>(mean);
    stats[(sample * w.s.groups + g) * 2 + 1] = static_cast<Real>(1 / __builtin_sqrt(variance + w.s.eps));
  }
}

// a and b of z = x a + b for every channel of a sample: factors (2, channels).
void factors_of(const Norm& w, std::int64_t sample, const Real* stats, Real* factors) {
  const std::int64_t width = w.channels / w.s.groups;
  const Real* scale = w.in.scale ? w.in.scale + sample * w.channels : nullptr;
  const Real* shift = w.in.shift ? w.in.shift + sample * w.channels : nullptr;
  for (std::int64_t g = 0; g < w.s.groups; ++g) {
    const double mean = stats[(sample * w.s.groups + g) * 2], r = stats[(sample * w.s.groups + g) * 2 + 1];
    for (std::int64_t c = g * width; c < (g + 1) * width; ++c) {
      const double a = r * w.in.gamma[c], u = 1 + (scale ? static_cast<double>(scale[c]) : 0.0);
      factors[c] = static_cast<Real>(a * u);
      factors[w.channels + c] = static_cast<Real>((w.in.beta[c] - mean * a) * u + (shift ? shift[c] : Real{0}));
    }
  }
}

constexpr std::int64_t kWritesAhead = 2048;  // floats: stores that miss would wait one for another

// Meanwhile the next sample is called, as sums of what no one has called would wait for memory.
template <bool kSilu>
void apply(const Norm& w, std::int64_t sample, const Pixels& pixels, const Real* factors, Real* y) {
  for (int i = 0; i < w.sources(); ++i) {
    const Source source = w.source(i, sample);
    const Real* a = factors + source.first;
    const Real* b = a + w.channels;
    const std::int64_t next = w.calls_next(sample) ? w.s.pixels * source.channels : 0;
    by_vectors(0, source.channels, [&]<int kVectors>(std::int64_t c, auto n) {
      by_pixels<kVectors>(pixels.first, pixels.last, [&]<int kPixels>(std::int64_t p) EDDY_INLINED {
        const Real* from = source.data + p * source.channels + c;
        call_pixels<kPixels, kVectors, false>(from + next, source.channels);
        const auto x = load_pixels<kPixels, kVectors>(from, source.channels, n);
        const auto z = fma(x, load_channels<kPixels, kVectors>(a + c, n), load_channels<kPixels, kVectors>(b + c, n));
        Real* to = y + p * w.channels + source.first + c;
        call_pixels<kPixels, kVectors, true>(to + kWritesAhead, w.channels);
        store_pixels<kPixels, kVectors>(to, w.channels, kSilu ? silu(z) : z, n);
      });
    });
  }
}

std::int64_t sample_scratch(const GroupNormShape& s) { return Norm(s, {}).scratch(); }

// A pass has stages: prepare(sample), sum(sample, chunk, block) of all blocks unless `known`, settle(sample), write(sample,
// pixels) of all pixels, each before the next one of the sample. Their last arguments are the sample's picture (y or dy) and
// scratch.
template <class Pass>
inline void one_sample(const Pass& pass, std::int64_t sample, typename Pass::Picture picture, Real* scratch) {
  const Norm& w = pass.w;
  const std::int64_t blocks = w.blocks(), sums = pass.known ? 0 : w.chunks * blocks;
  pass.prepare(sample, scratch);
  for (std::int64_t i = 0; i < sums; ++i) pass.sum(sample, i / blocks, Block(w, i % blocks), picture, scratch);
  pass.settle(sample, scratch);
  for (std::int64_t first = 0; first < w.s.pixels; first += kPiece) {
    pass.write(sample, {first, lower(first + kPiece, w.s.pixels)}, picture, scratch);
  }
}

// The bytes are the same however the stages are shared out.
template <class Pass>
inline void all_samples(const Launch& launch, const Pass& pass, typename Pass::Picture all, Real* memory) {
  const Norm& w = pass.w;
  const std::int64_t n = w.s.n, blocks = w.blocks(), sums = pass.known ? 0 : w.chunks * blocks;
  const std::int64_t pieces = ceil_div(w.s.pixels, kPiece);
  const auto picture = [&](std::int64_t sample) { return all + sample * w.s.pixels * w.channels; };
  const auto scratch = [&](std::int64_t sample) { return memory + sample * w.scratch(); };
  if (w.by_samples()) {
    return parallel(launch, n, [&](std::int64_t sample, int) { one_sample(pass, sample, picture(sample), scratch(sample)); });
  }
  for (std::int64_t sample = 0; sample < n; ++sample) pass.prepare(sample, scratch(sample));
  parallel(launch, n * sums, [&](std::int64_t t, int) {
    const std::int64_t sample = t / sums, i = t % sums;
    pass.sum(sample, i / blocks, Block(w, i % blocks), picture(sample), scratch(sample));
  });
  for (std::int64_t sample = 0; sample < n; ++sample) pass.settle(sample, scratch(sample));
  parallel(launch, n * pieces, [&](std::int64_t t, int) {
    const std::int64_t sample = t / pieces, first = t % pieces * kPiece;
    pass.write(sample, {first, lower(first + kPiece, w.s.pixels)}, picture(sample), scratch(sample));
  });
}

struct Forward {
  using Picture = Real*;
  Norm w;
  bool known;
  Real* stats;

  void prepare(std::int64_t, Real*) const {}
  void sum(std::int64_t sample, std::int64_t chunk, const Block& block, Real*, Real* scratch) const {
    block_statistics(w, sample, chunk, block, w.sums(scratch, chunk));
  }
  void settle(std::int64_t sample, Real* scratch) const {
    if (!known) sample_statistics(w, sample, joined(w, scratch), stats);
    factors_of(w, sample, stats, w.factors(scratch));
  }
  void write(std::int64_t sample, const Pixels& pixels, Real* y, Real* scratch) const {
    (w.s.silu ? apply<true> : apply<false>)(w, sample, pixels, w.factors(scratch), y);
  }
};

void forward(const Launch& launch, const GroupNormShape& s, const GroupNormInputs<Real>& in, bool known, Real* stats, Real* y,
             Real* scratch) {
  all_samples(launch, Forward{Norm(s, in), known, stats}, y, scratch);
}
void forward_sample(const GroupNormShape& s, const GroupNormInputs<Real>& in, std::int64_t sample, Real* stats, Real* y,
                    Real* scratch) {
  one_sample(Forward{Norm(s, in), false, stats}, sample, y, scratch);
}

// dz into dx, and the sums A and sum dz (x - mean) of a block of a chunk.
template <bool kSilu>
void block_gradient(const Norm& w, std::int64_t sample, std::int64_t chunk, const Block& block, const Real* factors,
                    const Real* dy, const GroupNormGradients<Real>& g, double* sums) {
  const Source source = w.source(block.source, sample);
  Real* dx = (block.source == 0 ? g.dx : g.dx2) + sample * w.s.pixels * source.channels;
  const Real* a = factors + source.first;
  const Real* means = a + 2 * w.channels;
  sum_chunk(w, chunk, block, source, sums,
            [&]<int kPixels, int kVectors>(std::int64_t p, std::int64_t c, auto n, auto& dz, auto& from_mean) EDDY_INLINED {
              const auto x = load_pixels<kPixels, kVectors>(source.data + p * source.channels + c, source.channels, n);
              dz = load_pixels<kPixels, kVectors>(dy + p * w.channels + source.first + c, w.channels, n);
              if constexpr (kSilu) {
                dz = dz * silu_derivative(fma(x, load_channels<kPixels, kVectors>(a + c, n),
                                              load_channels<kPixels, kVectors>(a + w.channels + c, n)));
              }
              store_pixels<kPixels, kVectors>(dx + p * source.channels + c, source.channels, dz, n);
              from_mean = x - load_channels<kPixels, kVectors>(means + c, n);
            });
}

// p, q, t of dx = dz p + x q + t for every channel, (3, channels); A and B of the channels stay in `sums`.
void gradient_factors(const Norm& w, std::int64_t sample, const Real* stats, double* sums, Real* factors) {
  const std::int64_t width = w.channels / w.s.groups;
  const double m = static_cast<double>(w.s.pixels) * static_cast<double>(width);
  for (std::int64_t g = 0; g < w.s.groups; ++g) {
    const double mean = stats[(sample * w.s.groups + g) * 2], r = stats[(sample * w.s.groups + g) * 2 + 1];
    double s1 = 0, s2 = 0;
    for (std::int64_t c = g * width; c < (g + 1) * width; ++c) {
      const double u = 1 + (w.in.scale ? static_cast<double>(w.in.scale[sample * w.channels + c]) : 0.0);
      sums[w.channels + c] *= r;  // B
      s1 += w.in.gamma[c] * u * sums[c];
      s2 += w.in.gamma[c] * u * sums[w.channels + c];
      factors[c] = static_cast<Real>(r * w.in.gamma[c] * u);
    }
    for (std::int64_t c = g * width; c < (g + 1) * width; ++c) {
      factors[w.channels + c] = static_cast<Real>(-r * r * s2 / m);
      factors[2 * w.channels + c] = static_cast<Real>((mean * r * s2 - s1) * r / m);
    }
  }
}

template <bool kOnto>
void finish(const Norm& w, std::int64_t sample, const Pixels& pixels, const Source& source, const Real* factors, const Real* onto,
            Real* all) {
  const Real* f = factors + source.first;
  for (std::int64_t p = pixels.first; p < pixels.last; ++p) {
    const Real* x = source.data + p * source.channels;
    const std::int64_t at = (sample * w.s.pixels + p) * source.channels;
    Real* dx = all + at;
    for (std::int64_t c = 0; c < source.channels; c += kWidth) {
      const std::int64_t n = source.channels - c;
      const Vec t = fma(load_up_to(x + c, n), load_up_to(f + w.channels + c, n), load_up_to(f + 2 * w.channels + c, n));
      const Vec own = fma(load_up_to(dx + c, n), load_up_to(f + c, n), t);
      store_up_to(dx + c, kOnto ? load_up_to(onto + at + c, n) + own : own, n);
    }
  }
}

struct Backward {
  using Picture = const Real*;
  static constexpr bool known = false;
  Norm w;
  const Real* stats;
  GroupNormGradients<Real> g;

  void prepare(std::int64_t sample, Real* scratch) const {
    const std::int64_t width = w.channels / w.s.groups;
    Real* f = w.factors(scratch);
    factors_of(w, sample, stats, f);
    for (std::int64_t group = 0; group < w.s.groups; ++group) {
      const Real mean = stats[(sample * w.s.groups + group) * 2];
      for (std::int64_t c = group * width; c < (group + 1) * width; ++c) f[2 * w.channels + c] = mean;
    }
  }
  void sum(std::int64_t sample, std::int64_t chunk, const Block& block, const Real* dy, Real* scratch) const {
    (w.s.silu ? block_gradient<true> : block_gradient<false>)(w, sample, chunk, block, w.factors(scratch), dy, g,
                                                              w.sums(scratch, chunk));
  }
  void settle(std::int64_t sample, Real* scratch) const {
    gradient_factors(w, sample, stats, joined(w, scratch), w.factors(scratch));
  }
  void write(std::int64_t sample, const Pixels& pixels, const Real*, Real* scratch) const {
    for (int i = 0; i < w.sources(); ++i) {
      const Real* onto = i == 0 ? g.onto : g.onto2;
      (onto ? finish<true> : finish<false>)(w, sample, pixels, w.source(i, sample), w.factors(scratch), onto,
                                            i == 0 ? g.dx : g.dx2);
    }
  }
};

void finish_backward(const GroupNormShape& s, const GroupNormInputs<Real>& in, const GroupNormGradients<Real>& g, Real* scratch) {
  const Norm w(s, in);
  for (std::int64_t c = 0; c < w.channels; ++c) {
    double dgamma = 0, dbeta = 0;
    for (std::int64_t sample = 0; sample < s.n; ++sample) {
      const double* sums = w.sums(scratch + sample * w.scratch(), 0);
      const double u = 1 + (in.scale ? static_cast<double>(in.scale[sample * w.channels + c]) : 0.0);
      dgamma += u * sums[w.channels + c];
      dbeta += u * sums[c];
      if (g.dscale) {
        g.dscale[sample * w.channels + c] = static_cast<Real>(in.gamma[c] * sums[w.channels + c] + in.beta[c] * sums[c]);
      }
      if (g.dshift) g.dshift[sample * w.channels + c] = static_cast<Real>(sums[c]);
    }
    g.dgamma[c] = static_cast<Real>(dgamma);
    g.dbeta[c] = static_cast<Real>(dbeta);
  }
}

void backward(const Launch& launch, const GroupNormShape& s, const GroupNormInputs<Real>& in, const Real* stats, const Real* dy,
              const GroupNormGradients<Real>& g, Real* scratch) {
  all_samples(launch, Backward{Norm(s, in), stats, g}, dy, scratch);
  finish_backward(s, in, g, scratch);
}
void backward_sample(const GroupNormShape& s, const GroupNormInputs<Real>& in, std::int64_t sample, const Real* stats,
                     const Real* dy, const GroupNormGradients<Real>& g, Real* scratch) {
  one_sample(Backward{Norm(s, in), stats, g}, sample, dy, scratch);
}

}  // namespace

extern const GroupNormKernels<Real> group_norm_kernels;
const GroupNormKernels<Real> group_norm_kernels{sample_scratch, forward,         backward,
                                                forward_sample, backward_sample, finish_backward};

}  // namespace eddy::inline v0_1::EDDY_ISA
