// AdamW with clipping and moving average in one walk [Loshchilov2019, Alg. 2].
//
//   g <- clip g;  x <- x (1 - rate decay);  m <- m + (1 - beta1) (g - m);  v <- beta2 v + (1 - beta2) g^2
//   x <- x - rate / (1 - beta1^t)  m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
//   average <- average + (1 - ema) (x - average)
#include "kernels/optimizer.hpp"

#include "kernels/vec.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

constexpr std::int64_t kPiece = 4096;

inline Vec root(Vec x) {
  Vec r;
  for (int i = 0; i < kWidth; ++i) r[i] = __builtin_sqrtf(x[i]);
  return r;
}

inline void move_average(Vec rest, Vec x, float* average, std::int64_t n) {
  const Vec old = load_up_to(average, n);
  store_up_to(average, fma(rest, x - old, old), n);
}

double sum_of_squares(const Launch& launch, std::int64_t n, const float* x, double* pieces) {
  const std::int64_t count = ceil_div(n, kPiece);
  parallel(launch, count, [&](std::int64_t piece, int) {
    double lanes[kWidth] = {};
    const std::int64_t end = lower(n, (piece + 1) * kPiece);
    for (std::int64_t i = piece * kPiece; i < end; i += kWidth) {
      const Vec v = load_up_to(x + i, end - i);
      for (int q = 0; q < kWidth; ++q) lanes[q] += static_cast<double>(v[q]) * static_cast<double>(v[q]);
    }
    double total = 0;
    for (int q = 0; q < kWidth; ++q) total += lanes[q];
    pieces[piece] = total;
  });
  double total = 0;
  for (std::int64_t piece = 0; piece < count; ++piece) total += pieces[piece];
  return total;
}

void adamw(const Launch& launch, std::int64_t n, const AdamWFactors& f, const float* gradient, float* value, float* m,
           float* v, float* ema) {
  parallel(launch, ceil_div(n, kPiece), [&](std::int64_t piece, int) {
    const std::int64_t end = lower(n, (piece + 1) * kPiece);
    const Vec rest1 = fill(f.rest1), beta2 = fill(f.beta2), rest2 = fill(f.rest2), eps = fill(f.eps);
    const Vec step = fill(f.step), bias2 = fill(f.inverse_root_bias2), keep = fill(f.keep), clip = fill(f.clip);
    const Vec rest_ema = fill(f.rest_ema);
    for (std::int64_t i = piece * kPiece; i < end; i += kWidth) {
      const std::int64_t k = end - i;
      const Vec g = clip * load_up_to(gradient + i, k);
      const Vec old_m = load_up_to(m + i, k);
      const Vec new_m = fma(rest1, g - old_m, old_m);
      const Vec new_v = fma(rest2 * g, g, beta2 * load_up_to(v + i, k));
      const Vec x = keep * load_up_to(value + i, k) - step * (new_m / fma(root(new_v), bias2, eps));
      store_up_to(m + i, new_m, k);
      store_up_to(v + i, new_v, k);
      store_up_to(value + i, x, k);
      if (ema) move_average(rest_ema, x, ema + i, k);
    }
  });
}

void average(const Launch& launch, std::int64_t n, float rest, const float* value, float* average) {
  parallel(launch, ceil_div(n, kPiece), [&](std::int64_t piece, int) {
    const std::int64_t end = lower(n, (piece + 1) * kPiece);
    for (std::int64_t i = piece * kPiece; i < end; i += kWidth) {
      move_average(fill(rest), load_up_to(value + i, end - i), average + i, end - i);
    }
  });
}

}  // namespace

extern const OptimizerKernels optimizer_kernels;
const OptimizerKernels optimizer_kernels{sum_of_squares, adamw, average};

}  // namespace eddy::inline v0_1::EDDY_ISA
