// What the flow-matching schedulers share: sigma in [0, 1], alpha = 1 - sigma, t = sigma num_train_timesteps.
#pragma once

#include "pipeline/scheduler/sigmas.hpp"

namespace eddy::inline v0_1 {

// s sigma / (1 + (s - 1) sigma) in double.
double shifted(double sigma, double shift);
// The same curve in the order of operations of use_dynamic_shifting: m / (m + (1 / sigma - 1)).
double dynamically_shifted(double sigma, double m);

// use_dynamic_shifting: the shift m comes from mu, which a run gives, or the tokens of its picture, as in Flux.
//
//   m = e^mu, or mu for time_shift_type linear
//   mu is linear in the tokens, through (base_image_seq_len, base_shift) and (max_image_seq_len, max_shift)
struct DynamicShift {
  bool on = false, linear = false;
  double base_shift = 0.5, max_shift = 1.15;
  std::int64_t base_tokens = 256, max_tokens = 4096;

  // Throws Error for mu or image_tokens where no such shift counts: without use_dynamic_shifting, or for no flow.
  void check(const SamplingOptions& options, bool flow) const;
  // Throws Error where neither is given, and for a mu whose m is not above 0 and finite.
  double m(const SamplingOptions& options) const;
};

// With `own` the class has fields for the line; without, those that are stated count all the same, as for diffusers' pipelines.
DynamicShift read_dynamic_shift(JsonFields& fields, bool own);

// sigmas of training, k / T for k = 1 .. T, each shifted, in float32 and in diffusers' order of operations.
TrainingSigmas flow_training_sigmas(int train_steps, double shift);

// Levels of sigmas and behind them the clean one; sigma and t in float32.
std::vector<NoiseLevel> flow_levels(const std::vector<double>& sigmas, int train_steps);

}  // namespace eddy::inline v0_1
