// Random Fourier features of ln t on plain numbers: the operation takes them in float, its test in double too
// [Tancik2020], as score-based models embed the noise level [Song2020, H]; diffusers: GaussianFourierProjection.
//
//   y = [sin, cos] of angle_i = 2 pi w_i ln t,  i in [0, C)
//   dt = sum_i 2 pi w_i / t (cos_i dsin_i - sin_i dcos_i),  dw_i = sum over samples 2 pi ln t (cos_i dsin_i - sin_i dcos_i)
//
// Angles reach thousands of radians (w has a deviation of 16): they stay in double, as float32 would move them by 1e-4.
#pragma once

#include <cstdint>

#include "base/portable_math.hpp"

namespace eddy::inline v0_1 {

constexpr double kTwoPi = 6.2831853071795865;

// t (n), w (channels), y (n, 2 channels).
template <class Real>
void fourier_features(std::int64_t n, std::int64_t channels, const Real* t, const Real* w, Real* y) {
  for (std::int64_t s = 0; s < n; ++s, y += 2 * channels) {
    const double turn = kTwoPi * portable_log(t[s]);
    for (std::int64_t i = 0; i < channels; ++i) {
      const SinCos angle = portable_sincos(turn * w[i]);
      y[i] = static_cast<Real>(angle.sin);
      y[channels + i] = static_cast<Real>(angle.cos);
    }
  }
}

// dt (n) or null, dw (channels) or null.
template <class Real>
void fourier_features_gradient(std::int64_t n, std::int64_t channels, const Real* t, const Real* w, const Real* dy, Real* dt,
                               Real* dw) {
  // d(angle_i) of sample s
  const auto slope = [&](std::int64_t s, std::int64_t i, double turn) {
    const SinCos angle = portable_sincos(turn * w[i]);
    return angle.cos * dy[2 * s * channels + i] - angle.sin * dy[(2 * s + 1) * channels + i];
  };
  for (std::int64_t s = 0; dt && s < n; ++s) {
    const double turn = kTwoPi * portable_log(t[s]);
    double total = 0;
    for (std::int64_t i = 0; i < channels; ++i) total += w[i] * slope(s, i, turn);
    dt[s] = static_cast<Real>(kTwoPi / t[s] * total);
  }
  for (std::int64_t i = 0; dw && i < channels; ++i) {
    double total = 0;
    for (std::int64_t s = 0; s < n; ++s) {
      const double turn = kTwoPi * portable_log(t[s]);
      total += turn * slope(s, i, turn);
    }
    dw[i] = static_cast<Real>(total);
  }
}

}  // namespace eddy::inline v0_1
