// What the schedulers of exponential integrators read alike: where their levels are, and what the network predicts.
#pragma once

#include "pipeline/scheduler/flow.hpp"

namespace eddy::inline v0_1 {

// A sigma (at alpha = 1; a flow's at alpha = 1 - sigma) and what the network is told.
struct Placed {
  double t, sigma;
};

// How the levels of n steps are placed.
struct SolverGrid {
  TrainingSigmas table;
  SigmaKind kind;
  bool flow;                    // alpha = 1 - sigma
  SpacingFields spacing{Spacing::linspace, 0};
  double flow_shift = 1;
  DynamicShift dynamic{};
  bool whole_timesteps = true;  // of Karras' and Lu's sigmas: rounded, not cut
  int noisiest;                 // timesteps 0 .. noisiest - 1 are used
  bool ends_at_zero = true;
  double sigma_min, sigma_max;  // of lists

  int train_steps() const { return static_cast<int>(table.values().size()); }
};

// use_karras_sigmas and its kin (of the class's own, `more`), use_flow_sigmas, flow_shift, and those of DynamicShift.
SolverGrid read_solver_grid(JsonFields& fields, const Schedule& schedule, const std::vector<std::string>& more = {});

// final_sigmas_type: whether the last level is sigma = 0.
bool read_ends_at_zero(JsonFields& fields);

// lambda_min_clipped: how many timesteps have a lambda of at least that.
int read_noisiest(JsonFields& fields, const Schedule& schedule);

// prediction_type, and variance_type where the class has it; refuses what has no meaning on the grid, and a flow's prediction
// where eps is integrated.
Adapter read_solver_adapter(JsonFields& fields, const SolverGrid& grid, Integrand integrand);

// solver_type: midpoint or heun; those of other classes are midpoint, as diffusers takes them.
SecondOrder read_second_order(JsonFields& fields);

// How many steps diffusers' pipelines take.
inline int solver_step_count(const SamplingOptions& options, const SolverGrid& grid) {
  return steps_or(options, std::min(50, grid.train_steps()));
}

// The timesteps of n steps below `noisiest`, noisy first: of n + 1 places without the clean end, or, `trailing`, every T / n from
// the noisy end, which may be less than n; diffusers' entries below 0 are left out.
std::vector<int> solver_timesteps(int train_steps, int noisiest, int n, const SpacingFields& spacing);

// The shift that a run's mu makes, or the configured one.
double chosen_shift(const SolverGrid& grid, const SamplingOptions& options);

// Without the closing level; sigmas in float32.
std::vector<Placed> placed(const SolverGrid& grid, const SamplingOptions& options, int n);

// With the closing level (sigma).
std::vector<Step> solver_steps(const SolverGrid& grid, const std::vector<Placed>& places, double closing);
NoiseLevel solver_level(bool flow, const Placed& place);

}  // namespace eddy::inline v0_1
