// Levels of flow matching, in diffusers' order of operations.
#include "pipeline/scheduler/flow.hpp"

namespace eddy::inline v0_1 {

double shifted(double sigma, double shift) { return shift * sigma / (1 + (shift - 1) * sigma); }
double dynamically_shifted(double sigma, double m) { return m / (m + (1 / sigma - 1)); }

TrainingSigmas flow_training_sigmas(int train_steps, double shift) {
  std::vector<double> values;
  const auto s = static_cast<float>(shift), less = static_cast<float>(shift - 1);
  for (int k = 1; k <= train_steps; ++k) {
    const float sigma = static_cast<float>(k) / static_cast<float>(train_steps);
    values.push_back(static_cast<double>(s * sigma / (1 + less * sigma)));
  }
  return TrainingSigmas(std::move(values));
}

std::vector<NoiseLevel> flow_levels(const std::vector<double>& sigmas, int train_steps) {
  std::vector<NoiseLevel> levels;
  for (const double value : sigmas) {
    const auto rounded = static_cast<float>(value);
    const auto sigma = static_cast<double>(rounded);
    levels.push_back({static_cast<double>(rounded * static_cast<float>(train_steps)), 1 - sigma, sigma});
  }
  levels.push_back({0, 1, 0});
  return levels;
}

}  // namespace eddy::inline v0_1
