// The midpoint method at the geometric mean of two sigmas.
#pragma once

#include "eddy/sampler.hpp"

namespace eddy::inline v0_1 {

// x at step.from, where the prediction is p -> x at step.to, and p at the middle; where the step ends at sigma = 0, Euler's step.
Tensor midpoint_step(const char* sampler, const Denoiser& denoise, const Tensor& x, Prediction& p, const Step& step,
                     const LevelAt& level_at, const Clip& clip);

}  // namespace eddy::inline v0_1
