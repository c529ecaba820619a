// What samplers share: checking steps, reporting, the deviation of an ancestral step.
#pragma once

#include "eddy/autograd.hpp"
#include "eddy/ops.hpp"
#include "eddy/sampler.hpp"

namespace eddy::inline v0_1 {

// Steps lead from noisy to clean (or back, for inversion); throws Error naming the sampler.
void check_steps(const char* sampler, std::span<const Step> steps, bool towards_clean = true);

// Looks at x for values that are not finite (Error naming the step), then calls on_step.
void report(const char* sampler, const SamplerOptions& options, std::size_t i, std::span<const Step> steps, Tensor& x,
            const std::function<Tensor()>& x0);

// Deviation of the noise of an ancestral step: (sigma_s / sigma_t) sqrt(sigma_t^2 - (alpha_t / alpha_s)^2 sigma_s^2)
// [Song2021, Eq. 16], t = from, s = to.
double ancestral_deviation(const Step& step);

}  // namespace eddy::inline v0_1
