// The mean squared error of each sample.
//
//   y_n = w_n / D sum_i (a_ni - b_ni)^2,  da_ni = dy_n 2 w_n / D (a_ni - b_ni) = -db_ni,  dw_n = dy_n y_n / w_n
//
// Squares are summed in double, in eight lanes whatever the instruction set: all sets give the same bytes.
#include "kernels/mse.hpp"

#include "kernels/vec.hpp"

namespace eddy::inline v0_1::EDDY_ISA {
namespace {

constexpr int kLanes = 8;
constexpr std::int64_t kTile = 1 << 13;

Real mean_square(std::int64_t size, const Real* a, const Real* b) {
  double lanes[kLanes] = {};
  const auto add = [&](std::int64_t i, int lane) {
    const Real d = a[i] - b[i];
    lanes[lane] += d * d;
  };
  std::int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (int q = 0; q < kLanes; ++q) add(i + q, q);
  }
  for (int q = 0; i < size; ++i, ++q) add(i, q);
  double total = 0;
  for (const double lane : lanes) total += lane;
  return static_cast<Real>(total * (1 / static_cast<double>(size)));
}

void forward(const Launch& launch, std::int64_t n, std::int64_t size, const Real* a, const Real* b, const Real* weight, Real* y) {
  parallel(launch, n, [&](std::int64_t sample, int) {
    const Real error = mean_square(size, a + sample * size, b + sample * size);
    y[sample] = weight ? error * weight[sample] : error;
  });
}

// out = factor (a - b)
inline void scaled_difference(std::int64_t n, Real factor, const Real* a, const Real* b, Real* out) {
  const Vec plus = fill(factor), minus = fill(-factor);
  for (std::int64_t i = 0; i < n; i += kWidth) {
    store_up_to(out + i, load_up_to(a + i, n - i) * plus + load_up_to(b + i, n - i) * minus, n - i);
  }
}

void backward(const Launch& launch, std::int64_t n, std::int64_t size, const Real* a, const Real* b, const Real* weight,
              const Real* dy, Real* da, Real* db, Real* dweight) {
  const std::int64_t tiles = ceil_div(size, kTile);
  parallel(launch, n * tiles, [&](std::int64_t t, int) {
    const std::int64_t sample = t / tiles, first = t % tiles * kTile, at = sample * size + first;
    const double w = weight ? static_cast<double>(weight[sample]) : 1.0;
    const Real factor = static_cast<Real>(2 * w / static_cast<double>(size) * dy[sample]);
    const std::int64_t length = lower(kTile, size - first);
    if (da) scaled_difference(length, factor, a + at, b + at, da + at);
    if (db) scaled_difference(length, -factor, a + at, b + at, db + at);
    if (dweight && first == 0) dweight[sample] = dy[sample] * mean_square(size, a + sample * size, b + sample * size);
  });
}

}  // namespace

extern const MseKernels<Real> mse_kernels;
const MseKernels<Real> mse_kernels{forward, backward};

}  // namespace eddy::inline v0_1::EDDY_ISA
