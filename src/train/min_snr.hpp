// How min-SNR weighs the squared error of a target at s = alpha^2 / sigma^2 [Hang2023, 3.4]:
//
//   eps min(s, gamma) / s,  x0 min(s, gamma),  v min(s, gamma) / (s + 1);  1 where s is 0
#pragma once

#include <algorithm>

#include "eddy/train.hpp"

namespace eddy::inline v0_1 {

inline double min_snr_weight(PredictionType prediction, double snr, double gamma) {
  if (snr == 0) return 1;
  const double least = std::min(snr, gamma);
  if (prediction == PredictionType::epsilon) return least / snr;
  return prediction == PredictionType::sample ? least : least / (snr + 1);
}

}  // namespace eddy::inline v0_1
