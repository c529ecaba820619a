// What the schedulers of k-diffusion's kind share: a table of betas, walked as levels (t, 1, sigma).
#pragma once

#include "pipeline/scheduler/sigmas.hpp"

namespace eddy::inline v0_1 {

struct SigmaSpace {
  Schedule schedule;
  TrainingSigmas table{schedule};
  SpacingFields spacing;
  SigmaKind kind = SigmaKind::spaced;
  // Those of some classes:
  std::optional<double> sigma_min{}, sigma_max{};  // ends of a list that is placed anew
  bool log_linear = false;         // interpolation_type: n + 1 sigmas even in ln sigma, the last of them the step's end
  bool log_sigma_times = false;    // the network is told ln(sigma) / 4
  bool end_at_smallest = false;    // final_sigmas_type sigma_min
  bool round_karras_times = false;

  // n levels, noisy first, and the closing one; sigma and t in float32 as diffusers has them.
  std::vector<NoiseLevel> levels(const SamplingOptions& options, int n) const;
  // As many steps as asked for, or 50.
  std::vector<Step> steps(const SamplingOptions& options) const;
  // init_noise_sigma: the largest sigma, or for leading spacing sqrt(sigma^2 + 1).
  double initial_scale(const std::vector<Step>& steps) const;
  // Levels between those of the list.
  LevelAt level_at() const;
};

// The fields of betas, spacing and, if the class has them, of the lists of sigmas.
SigmaSpace read_sigma_space(JsonFields& fields, const BetaDefaults& betas, bool rescale, bool lists);

// sigma_min and sigma_max, where they are stated.
void read_sigma_ends(JsonFields& fields, SigmaSpace& space);

}  // namespace eddy::inline v0_1
