// The multiply-add peak of the CPU: what any kernel could reach.
#if defined(__aarch64__)
#include <arm_neon.h>
#else
#include <immintrin.h>
#endif

#include "bench.hpp"

namespace eddy::bench {

namespace {

constexpr int kRounds = 2000000;

// So many independent chains: enough for two units (four on arm64) of latency four or five, in the registers there are.
#if defined(__aarch64__)
constexpr int kChains = 24;
#else
constexpr int kChains = 12;
#endif

#define EDDY_PEAK(name, attribute, type, set, step)                                                                  \
  __attribute__((noinline, attribute)) float name(float seed) {                                                      \
    type a[kChains];                                                                                                 \
    const type b = set(0.999f), c = set(seed);                                                                       \
    _Pragma("GCC unroll 24") for (int i = 0; i < kChains; ++i) a[i] = set(seed + static_cast<float>(i));             \
    for (int k = 0; k < kRounds; ++k) {                                                                              \
      _Pragma("GCC unroll 24") for (int i = 0; i < kChains; ++i) a[i] = step;                                        \
    }                                                                                                                \
    float total = 0;                                                                                                 \
    _Pragma("GCC unroll 24") for (int i = 0; i < kChains; ++i) total += reinterpret_cast<const float*>(&a[i])[0];    \
    return total;                                                                                                    \
  }

struct Peak {
  float (*run)(float);
  int width;
};

#if defined(__aarch64__)
EDDY_PEAK(peak_neon, , float32x4_t, vdupq_n_f32, vfmaq_f32(a[i], b, c))

Peak peak_of(Isa) { return {peak_neon, 4}; }
#else
EDDY_PEAK(peak_baseline, target("sse2"), __m128, _mm_set1_ps, _mm_add_ps(_mm_mul_ps(a[i], b), c))
EDDY_PEAK(peak_avx2, target("avx2,fma"), __m256, _mm256_set1_ps, _mm256_fmadd_ps(a[i], b, c))
EDDY_PEAK(peak_avx512, target("avx512f"), __m512, _mm512_set1_ps, _mm512_fmadd_ps(a[i], b, c))

Peak peak_of(Isa isa) {
  if (isa == Isa::avx512 || isa == Isa::amx) return {peak_avx512, 16};
  if (isa == Isa::avx2) return {peak_avx2, 8};
  return {peak_baseline, 4};
}
#endif

// Runs one piece of work a tile; seconds.
double seconds_of(const Context& context, std::int64_t tiles) {
  struct Work {
    float (*run)(float);
    volatile float sink;
  } work{peak_of(context.isa()).run, 0};
  const double begun = now();
  context.threads().run_tiles(
      tiles,
      [](void* w, std::int64_t tile, int) {
        auto& work = *static_cast<Work*>(w);
        work.sink = work.run(static_cast<float>(1 + tile));  // from 0 the chains would end in denormals, which are slow
      },
      &work);
  return now() - begun;
}

double gflops(const Context& context, std::int64_t tiles, double seconds) {
  return static_cast<double>(tiles) * 2.0 * kChains * peak_of(context.isa()).width * kRounds / seconds * 1e-9;
}

}  // namespace

double peak_gflops(const Context& context) {
  const int slots = context.slots();
  return gflops(context, slots, timed_by_itself(5, [&] { return seconds_of(context, slots); }).least);
}

double sustained_gflops(const Context& context) {
  const std::int64_t tiles = 100 * context.slots();
  return gflops(context, tiles, seconds_of(context, tiles));
}

}  // namespace eddy::bench
