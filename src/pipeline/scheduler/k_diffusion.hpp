// What the samplers have in common that k-diffusion has and diffusers has not: their fields are EulerDiscreteScheduler's.
#pragma once

#include "pipeline/scheduler/sigma_space.hpp"

namespace eddy::inline v0_1 {

// A list of sigmas: num_train_timesteps, beta_*, trained_betas, rescale_betas_zero_snr, prediction_type, timestep_spacing,
// steps_offset, use_*_sigmas, sigma_min, sigma_max, final_sigmas_type.
struct SigmaList {
  SigmaSpace space;
  Adapter adapter;
};
SigmaList read_sigma_list(JsonFields& fields);

// From sigma_max to sigma_min, of the table where they are not stated: those of the betas, prediction_type, sigma_min, sigma_max.
struct SigmaRange {
  TrainingSigmas table;
  double sigma_min, sigma_max;
  Adapter adapter;
  LevelAt level_at;

  std::vector<Step> steps(int n) const;  // equal in ln sigma
};
SigmaRange read_sigma_range(JsonFields& fields);

// eta and s_noise.
void read_stochastic(JsonFields& fields, StochasticOptions& options, double eta);
// noise_sampler_seed: an integer or null.
std::optional<std::uint64_t> read_noise_seed(JsonFields& fields);

// What recipes return for a sampler at alpha = 1.
Sampling at_alpha_one(std::vector<Step> steps, Sampler sampler, const Adapter& adapter);

// torch's levels of the two stages of DPM-Solver++ SDE: exp(-(-ln sigma)) in float32, which is not always sigma, and whose last
// bit moves a Brownian tree's noise by up to 1e-3.
Sampler with_float_levels(Sampler sampler, double r);

}  // namespace eddy::inline v0_1
