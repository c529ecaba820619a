// What the samplers have in common that k-diffusion has and diffusers has not: their fields are EulerDiscreteScheduler's.
#pragma once

#include "pipeline/scheduler/sigmas.hpp"

namespace eddy::inline v0_1 {

// num_train_timesteps, beta_*, trained_betas, rescale_betas_zero_snr, prediction_type, sigma_min, sigma_max.
struct TrainedSigmas {
  TrainingSigmas table;
  std::optional<double> sigma_min, sigma_max;  // none: the table's
  Adapter adapter;
  LevelAt level_at;  // {diffusers' sigma_to_t, 1, sigma}
};
TrainedSigmas read_trained_sigmas(JsonFields& fields);

// A list of them: those, use_*_sigmas, timestep_spacing, steps_offset, final_sigmas_type.
struct SigmaList {
  TrainedSigmas trained;
  SigmaKind kind;
  SpacingFields spacing;
  bool to_zero;

  std::vector<Step> steps(const SamplingOptions& options) const;
};
SigmaList read_sigma_list(JsonFields& fields);

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
