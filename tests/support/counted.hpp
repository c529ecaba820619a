// The fixture of diffusers' own tests of its schedulers: an x that counts, and the network x t / (t + 1).
#pragma once

#include <cmath>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

namespace eddy::test {

inline Tensor counted(bool reversed = false) {  // arange(768) / 768 as (3, 8, 8, 4), permuted to (4, 3, 8, 8); here (4, 8, 8, 3)
  Tensor x = Tensor::uninitialised({4, 8, 8, 3});
  for (int n = 0; n < 4; ++n) {
    for (int c = 0; c < 3; ++c) {
      for (int p = 0; p < 64; ++p) {
        const int i = (c * 64 + p) * 4 + n;
        x.mutable_values()[static_cast<std::size_t>((n * 64 + p) * 3 + c)] = static_cast<float>(reversed ? 767 - i : i) / 768.0f;
      }
    }
  }
  return x;
}

inline Tensor counted_model(const Tensor& x, const Tensor& t, const Condition&) {
  const double time = static_cast<double>(t.values()[0]);
  return affine(x, time / (time + 1));
}

// The sum and the mean of absolute values, which diffusers publishes.
inline void check_counted(const Tensor& x, double expected_sum, double expected_mean) {
  double sum = 0;
  for (const float v : x.values()) sum += std::abs(static_cast<double>(v));
  CHECK(sum == Approx(expected_sum).margin(1e-2));
  CHECK(sum / 768 == Approx(expected_mean).margin(1e-3));
}

}  // namespace eddy::test
