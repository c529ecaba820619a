// Kernels of y = x W^T + b and of 1x1 convolutions.
#pragma once

#include "kernels/launch.hpp"

namespace eddy::inline v0_1 {

// rows x in -> rows x out. A second input of in2 columns may be joined to the first.
struct LinearShape {
  std::int64_t rows, in, in2, out;
};

struct LinearKernels {
  // Floats of a packed factor of k rows and n columns.
  std::int64_t (*packed_size)(std::int64_t k, std::int64_t n);
  // W^T and W as right factors; W is (out, in) with rows at distance ld.
  void (*pack_transposed)(const Launch&, std::int64_t out, std::int64_t in, const float* weight, std::int64_t ld,
                          float* packed);
  void (*pack)(const Launch&, std::int64_t out, std::int64_t in, const float* weight, std::int64_t ld, float* packed);
  std::int64_t (*forward_scratch)(const LinearShape&, int slots);  // floats
  // y = [x x2] B + bias + residual. sample_bias: one row of `out` for each `sample_rows` rows.
  void (*forward)(const Launch&, const LinearShape&, const float* x, const float* x2, const float* packed,
                  const float* bias, const float* sample_bias, std::int64_t sample_rows, const float* residual,
                  float* y, float* scratch);
  // dW (out, in) rows at distance ld = dy^T x.
  void (*backward_weight)(const Launch&, std::int64_t rows, std::int64_t in, std::int64_t out, const float* x,
                          const float* dy, float* dw, std::int64_t ld, float* scratch);
  std::int64_t (*backward_weight_scratch)(std::int64_t rows, std::int64_t in, std::int64_t out, int slots);  // floats
  // out (groups, columns): sums over `rows` rows of each group.
  void (*column_sums)(const Launch&, std::int64_t groups, std::int64_t rows, std::int64_t columns, const float* x,
                      float* out);
};

}  // namespace eddy::inline v0_1
