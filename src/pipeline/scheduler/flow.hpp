// What the flow-matching schedulers share: sigma in [0, 1], alpha = 1 - sigma, t = sigma num_train_timesteps.
#pragma once

#include "pipeline/scheduler/sigmas.hpp"

namespace eddy::inline v0_1 {

// s sigma / (1 + (s - 1) sigma) in double.
double shifted(double sigma, double shift);
// The same curve in the order of operations of use_dynamic_shifting: m / (m + (1 / sigma - 1)).
double dynamically_shifted(double sigma, double m);

// sigmas of training, k / T for k = 1 .. T, each shifted, in float32 and in diffusers' order of operations.
TrainingSigmas flow_training_sigmas(int train_steps, double shift);

// Levels of sigmas and behind them the clean one; sigma and t in float32.
std::vector<NoiseLevel> flow_levels(const std::vector<double>& sigmas, int train_steps);

}  // namespace eddy::inline v0_1
