// What samplers share: checking steps, reporting, the deviation of an ancestral step, moving between levels.
#pragma once

#include "eddy/autograd.hpp"
#include "eddy/ops.hpp"
#include "eddy/sampler.hpp"

namespace eddy::inline v0_1 {

// Steps lead from noisy to clean (or back, for inversion); throws Error naming the sampler.
void check_steps(const char* sampler, std::span<const Step> steps, bool towards_clean = true);

// True for an x of no samples or no values, which is its own result. Throws Error unless x is f32 of rank 1 or more.
bool has_no_values(const char* sampler, const Tensor& x);

// denoise(x, levels). Throws Error unless x0, eps and, where there is one, the variance are f32 of x's shape.
Prediction predicted(const char* sampler, const Denoiser& denoise, const Tensor& x, std::span<const NoiseLevel> levels);
// The same of a denoiser that may give x0 alone, for samplers that look at nothing else.
Tensor predicted_x0(const char* sampler, const Denoiser& denoise, const Tensor& x, std::span<const NoiseLevel> levels);

// Looks at x for values that are not finite (Error naming the step), then calls on_step, which must keep x's shape.
void report(const char* sampler, const SamplerOptions& options, std::size_t i, std::span<const Step> steps, Tensor& x,
            const std::function<Tensor()>& x0);

inline double ratio(const NoiseLevel& level) { return level.sigma / level.alpha; }

// The level of a ratio by level_at. Throws Error naming the sampler where level_at is missing or gives another ratio.
NoiseLevel level_of(const char* sampler, const LevelAt& level_at, double ratio);

// Deviation of the noise of an ancestral step: (sigma_s / sigma_t) sqrt(sigma_t^2 - (alpha_t / alpha_s)^2 sigma_s^2)
// [Song2021, Eq. 16], t = from, s = to.
double ancestral_deviation(const Step& step);

// eps that goes with another x0 at the same x: alpha x0 + sigma eps stays.
Tensor matching_eps(const Prediction& p, const Tensor& x0, const NoiseLevel& level);
// The prediction with its x0 limited, and eps that goes with it: as it is without a clip.
Prediction limited(const Prediction& p, const Clip& clip, const NoiseLevel& level);

// One step of Euler's method on the probability-flow ODE, on the straight path between two levels:
// x + (alpha' - alpha) x0 + (sigma' - sigma) eps. Any path will do, as the network sees sigma / alpha alone: with x0 and eps
// held, the straight one is exact, and it has a meaning at alpha = 0 too.
Tensor along(const Tensor& x, const Prediction& p, const Step& step);

}  // namespace eddy::inline v0_1
