// What DPM-Solver's two forms and DEIS share.
#pragma once

#include "sampler/exponential.hpp"

namespace eddy::inline v0_1 {

// Throws Error naming the sampler.
void check_dpm(const char* name, int order, double eta);

// The weight of the curvature in diffusers: weight(3), and in the SDE of x0 -alpha_t (phi_2(-K) + 1 / 2) where it should be
// alpha_t K phi_3(-K) = alpha_t (1 / 2 - phi_2(-K)).
double diffusers_third_weight(const ExponentialStep& step, Integrand integrand, double eta);

// sample_dpm_multistep in any direction, steps unchecked; noise may be null when eta is 0.
Tensor run_multistep(const char* name, const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource* noise,
                     const DpmMultistepOptions& options);

}  // namespace eddy::inline v0_1
