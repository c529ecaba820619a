// Sinusoids of t on plain numbers: the operation takes them in float, its test in double too [Vaswani2017, 3.5].
//
//   angle_i = t exp(-ln(max_period) i / (half - freq_shift)),  i in [0, half),  half = channels / 2
//   y = [sin, cos], or [cos, sin];  dt = sum_i f_i (cos dsin_i - sin dcos_i)
//
// Frequencies and angles are rounded to Real (in float32 as torch has them); sine and cosine are taken in double.
#pragma once

#include <cmath>
#include <vector>

#include "eddy/ops.hpp"

namespace eddy::inline v0_1 {

template <class Real>
class Sinusoids {
 public:
  explicit Sinusoids(const TimestepEmbeddingOptions& o) : row_(o.channels) {
    const int half = o.channels / 2;
    for (int i = 0; i < half; ++i) {
      const Real exponent = static_cast<Real>(-std::log(o.max_period)) * static_cast<Real>(i);
      frequencies_.push_back(std::exp(exponent / static_cast<Real>(half - o.freq_shift)));
    }
    (o.flip_sin_to_cos ? sin_at_ : cos_at_) = frequencies_.size();
  }

  // y (n, channels); a last odd channel is left alone.
  void forward(std::int64_t n, const Real* t, Real* y) const {
    for (std::int64_t s = 0; s < n; ++s, y += row_) {
      for (std::size_t i = 0; i < frequencies_.size(); ++i) {
        const double angle = t[s] * frequencies_[i];
        y[sin_at_ + i] = static_cast<Real>(std::sin(angle));
        y[cos_at_ + i] = static_cast<Real>(std::cos(angle));
      }
    }
  }

  void backward(std::int64_t n, const Real* t, const Real* dy, Real* dt) const {
    for (std::int64_t s = 0; s < n; ++s, dy += row_) {
      double total = 0;
      for (std::size_t i = 0; i < frequencies_.size(); ++i) {
        const double angle = t[s] * frequencies_[i];
        total += frequencies_[i] * (std::cos(angle) * dy[sin_at_ + i] - std::sin(angle) * dy[cos_at_ + i]);
      }
      dt[s] = static_cast<Real>(total);
    }
  }

 private:
  std::int64_t row_;
  std::vector<Real> frequencies_;
  std::size_t sin_at_ = 0, cos_at_ = 0;
};

}  // namespace eddy::inline v0_1
