// The multiply-add peak of the CPU: what any kernel could reach.
#include <immintrin.h>

#include "bench.hpp"

namespace eddy::bench {

namespace {

constexpr int kRounds = 2000000;

// Twelve independent chains, enough for two units of latency four or five.
#define EDDY_PEAK(name, isa, type, set, step)                                          \
  __attribute__((target(isa), noinline)) float name(float seed) {                      \
    type a[12];                                                                        \
    const type b = set(0.999f), c = set(seed);                                         \
    for (int i = 0; i < 12; ++i) a[i] = set(seed + static_cast<float>(i));             \
    for (int k = 0; k < kRounds; ++k) {                                                \
      _Pragma("GCC unroll 12") for (int i = 0; i < 12; ++i) a[i] = step;               \
    }                                                                                  \
    float total = 0;                                                                   \
    for (int i = 0; i < 12; ++i) total += reinterpret_cast<const float*>(&a[i])[0];    \
    return total;                                                                      \
  }

EDDY_PEAK(peak_baseline, "sse2", __m128, _mm_set1_ps, _mm_add_ps(_mm_mul_ps(a[i], b), c))
EDDY_PEAK(peak_avx2, "avx2,fma", __m256, _mm256_set1_ps, _mm256_fmadd_ps(a[i], b, c))
EDDY_PEAK(peak_avx512, "avx512f", __m512, _mm512_set1_ps, _mm512_fmadd_ps(a[i], b, c))

}  // namespace

namespace {

// Runs one piece of work a tile; seconds.
double seconds_of(const Context& context, std::int64_t tiles) {
  struct Work {
    float (*run)(float);
    volatile float sink;
  } work{context.isa() == Isa::avx512 ? peak_avx512 : context.isa() == Isa::avx2 ? peak_avx2 : peak_baseline, 0};
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
  const double width = context.isa() == Isa::avx512 ? 16 : context.isa() == Isa::avx2 ? 8 : 4;
  return static_cast<double>(tiles) * 2.0 * 12 * width * kRounds / seconds * 1e-9;
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
