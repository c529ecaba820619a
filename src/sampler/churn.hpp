// Making x noisier before a step.
#pragma once

#include "eddy/sampler.hpp"

namespace eddy::inline v0_1 {

// Throws Error naming the sampler.
void check_churn(const char* sampler, const ChurnOptions& options);

// The noisier level of a step that begins at `from`, of `steps` and options.steps_before; `from` itself where there is no churn.
// Throws Error naming the sampler where level_at gives another level.
NoiseLevel churned_level(const char* sampler, const NoiseLevel& from, std::size_t steps, const ChurnOptions& options);

// x at `from` made noisier; z ~ N(0, I).
Tensor churned(const Tensor& x, const NoiseLevel& from, const NoiseLevel& noisier, double s_noise, const Tensor& z);

}  // namespace eddy::inline v0_1
