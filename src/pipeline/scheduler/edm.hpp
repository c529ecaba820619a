// What the EDM schedulers share.
#pragma once

#include "pipeline/scheduler/sigmas.hpp"

namespace eddy::inline v0_1 {

struct EdmFields {
  double sigma_min = 0.002, sigma_max = 80, rho = 7;
  EdmScaling scaling;
  bool exponential = false;      // sigma_schedule
  bool end_at_smallest = false;  // final_sigmas_type sigma_min: the last step leads nowhere
  int num_train_timesteps = 1000;

  // n levels (ln(sigma) / 4, 1, sigma), sigma in float32 as diffusers has it, and the closing one.
  std::vector<NoiseLevel> levels(const SamplingOptions& options, int n) const;
  Adapter adapter() const {
    return [s = scaling](Network network, Condition condition) { return from_edm(std::move(network), std::move(condition), s); };
  }
};

// sigma_min, sigma_max, sigma_data, sigma_schedule, num_train_timesteps, prediction_type, rho, final_sigmas_type.
EdmFields read_edm(JsonFields& fields);

}  // namespace eddy::inline v0_1
