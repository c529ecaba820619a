// Kernels of the optimiser: they walk whole arenas.
#pragma once

#include "kernels/launch.hpp"

namespace eddy::inline v0_1 {

struct AdamWFactors {
  float clip;             // factor of every gradient
  float rest1, beta2, rest2;  // 1 - beta1 and 1 - beta2, of doubles: 1 - float(0.999) is off by 1e-5
  float step;             // rate / (1 - beta1^t)
  float inverse_root_bias2;  // 1 / sqrt(1 - beta2^t)
  float eps;
  float keep;             // 1 - rate decay
  float rest_ema;         // weight of the new value in the average; 0 leaves it as it is
};

struct OptimizerKernels {
  // Sum of squares in double, in pieces of a fixed length; pieces: ceil(n / 4096) doubles of scratch.
  double (*sum_of_squares)(const Launch&, std::int64_t n, const float* x, double* pieces);
  // AdamW [Loshchilov2019, Alg. 2] in torch's order, and the moving average; ema may be null.
  void (*adamw)(const Launch&, std::int64_t n, const AdamWFactors&, const float* gradient, float* value, float* m,
                float* v, float* ema);
  // The average alone, by the same arithmetic; rest: the weight of the new value.
  void (*average)(const Launch&, std::int64_t n, float rest, const float* value, float* average);
};

}  // namespace eddy::inline v0_1
