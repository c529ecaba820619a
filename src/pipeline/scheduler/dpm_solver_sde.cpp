// DPMSolverSDEScheduler: DPM-Solver++ SDE in two stages with the noise of a Brownian tree.
#include <cmath>

#include "pipeline/scheduler/k_diffusion.hpp"

namespace eddy::inline v0_1 {

namespace {

// Timesteps in double: this class does not round `linspace` to float32.
std::vector<double> double_timesteps(int train_steps, int n, const SpacingFields& spacing) {
  if (spacing.spacing != Spacing::linspace) return float_timesteps(train_steps, n, spacing);
  std::vector<double> result(static_cast<std::size_t>(n));
  const double step = n > 1 ? (train_steps - 1.0) / (n - 1) : 0;
  for (int i = 0; i < n; ++i) result[static_cast<std::size_t>(n - 1 - i)] = i * step;
  if (n > 1) result.front() = train_steps - 1;
  return result;
}

}  // namespace

Recipe read_dpm_solver_sde(JsonFields& f) {
  const TrainingSigmas table(read_schedule(f, {0.00085, 0.012}, false));
  const Adapter adapter = read_adapter(f);
  const SigmaKind kind = read_sigma_kind(f);
  const SpacingFields spacing = read_spacing(f, Spacing::linspace);
  DpmppSdeOptions options;
  options.noise_seed = read_noise_seed(f);
  options.level_at = table.level_at();
  return [=](const SamplingOptions& o) -> Sampling {
    const auto train_steps = static_cast<int>(table.values().size());
    const int n = steps_or(o, std::min(50, train_steps));
    const std::vector<double> ts = double_timesteps(train_steps, n, spacing);
    const SigmaKind chosen = chosen_sigmas(o, kind);
    std::vector<NoiseLevel> levels;
    if (chosen == SigmaKind::spaced) {
      for (const double t : ts) levels.push_back({t, 1, static_cast<float>(table.at(t))});
    } else {
      for (const double sigma : listed_sigmas(chosen, n, table, table.at(ts.back()), table.at(ts.front()))) {
        levels.push_back({table.t_of(sigma), 1, static_cast<float>(sigma)});
      }
    }
    levels.push_back({0, 1, 0});
    const Sampler sampler = bound(sample_dpmpp_sde, options);
    Sampling s = at_alpha_one(eddy::steps(levels), o.batch_coupled ? with_float_levels(sampler, options.r) : sampler, adapter);
    // The largest sigma; `leading` stays below the noisiest level, and counts the picture's variance in.
    if (spacing.spacing == Spacing::leading) s.initial_scale = std::sqrt(s.initial_scale * s.initial_scale + 1);
    return s;
  };
}

}  // namespace eddy::inline v0_1
