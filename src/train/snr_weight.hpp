// How the squared error of a target is weighed at s = alpha^2 / sigma^2, so that the squared error in x0 has the weight min(s,
// limit) [Hang2023, 3.4]; without a limit by s itself, as diffusers weighs the sample target [Salimans2022, 4]:
//
//   eps min(s, limit) / s,  x0 min(s, limit),  v min(s, limit) / (s + 1);  1 where s is 0
#pragma once

#include <algorithm>

#include "eddy/train.hpp"

namespace eddy::inline v0_1 {

inline double snr_weight(PredictionType prediction, double snr, double limit) {
  if (snr == 0) return 1;
  const double least = std::min(snr, limit);
  if (prediction == PredictionType::epsilon) return least / snr;
  return prediction == PredictionType::sample ? least : least / (snr + 1);
}

}  // namespace eddy::inline v0_1
