// What DPM-Solver's two forms and DEIS share.
#pragma once

#include "sampler/exponential.hpp"

namespace eddy::inline v0_1 {

// Throws Error naming the sampler.
void check_dpm(const char* name, int order, double eta);

// The weight of the curvature in diffusers: that of m'' / 2 in the ODE, -(phi_2(-K) + 1 / 2) for K phi_3(-K) = 1 / 2 - phi_2(-K) in
// the SDE.
double diffusers_third_weight(const ExponentialStep& step, Integrand integrand, double eta);

// sample_dpm_multistep in any direction, steps unchecked; noise may be null when eta is 0.
Tensor run_multistep(const char* name, const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource* noise,
                     const DpmMultistepOptions& options);

}  // namespace eddy::inline v0_1
