// FlowMatchHeunDiscreteScheduler; its shift counts twice, as in flow_euler.cpp.
#include "pipeline/scheduler/flow.hpp"

namespace eddy::inline v0_1 {

Recipe read_flow_heun(JsonFields& f) {
  const int train_steps = static_cast<int>(f.integer("num_train_timesteps", 1000, 2, 1000000));
  const double shift = read_positive(f, "shift", 1);
  return [=](const SamplingOptions& o) -> Sampling {
    const TrainingSigmas table = flow_training_sigmas(train_steps, shift);
    const int n = steps_or(o, 28);
    const double first = table.largest() * train_steps, last = table.smallest() * train_steps;
    std::vector<double> sigmas;
    for (int i = 0; i < n; ++i) {
      sigmas.push_back(shifted((n > 1 ? first + i * ((last - first) / (n - 1)) : first) / train_steps, shift));
    }
    ChurnOptions options;
    options.churn = o.churn;
    options.level_at = [=](double ratio) {
      const double sigma = ratio / (1 + ratio);
      return NoiseLevel{sigma * train_steps, 1 - sigma, sigma};
    };
    return {steps(flow_levels(sigmas, train_steps)), bound(sample_heun, options), 1, from_flow};
  };
}

}  // namespace eddy::inline v0_1
