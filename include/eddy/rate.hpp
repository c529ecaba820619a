// How the learning rate changes over a training: the schedules of diffusers' optimization.py.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "eddy/version.hpp"

namespace eddy::inline v0_1 {

// What the learning rate is multiplied by at a step, counted from 0, of a training of `steps`. One's own is a function too.
using RateSchedule = std::function<double(std::int64_t step, std::int64_t steps)>;

// While step < warmup the factor is step / warmup, so that a warm-up begins with 0; then, with u = (step - warmup) / (steps -
// warmup), as said for each. They throw Error for a negative warmup and what else is out of range.
EDDY_API RateSchedule constant_rate(std::int64_t warmup = 0);                     // 1
EDDY_API RateSchedule linear_rate(std::int64_t warmup = 0);                       // 1 - u
EDDY_API RateSchedule cosine_rate(std::int64_t warmup = 0, double cycles = 0.5);  // (1 + cos(2 pi cycles u)) / 2
// (1 + cos(pi (cycles u mod 1))) / 2, and 0 at the end; cycles: at least 1.
EDDY_API RateSchedule cosine_with_restarts_rate(std::int64_t warmup = 0, std::int64_t cycles = 1);
// end + (1 - end) (1 - u)^power; end in [0, 1): the last rate over the first, power > 0.
EDDY_API RateSchedule polynomial_rate(std::int64_t warmup = 0, double power = 1, double end = 0);

// A factor for the steps below `end` that no piece before it has.
struct RatePiece {
  double factor;
  std::int64_t end;
};
// One factor after another, then the last; ends ascend.
EDDY_API RateSchedule piecewise_constant_rate(std::vector<RatePiece> pieces, double last);

}  // namespace eddy::inline v0_1
