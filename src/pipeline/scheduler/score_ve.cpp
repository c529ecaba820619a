// ScoreSdeVeScheduler: u from 1 to sampling_eps in n steps, the network is told sigma_min (sigma_max / sigma_min)^u; the steps
// are those of an own table, exp(linspace(ln sigma_min, ln sigma_max, n)), from its entry floor(u (n - 1)) to the one before it.
#include <cmath>

#include "pipeline/scheduler/recipe.hpp"
#include "schedule/linspace.hpp"

namespace eddy::inline v0_1 {

namespace {

std::vector<Step> steps_of(int n, double sigma_min, double sigma_max, double sampling_eps) {
  if (n < 2) throw Error("sampling_of: score_ve needs at least 2 steps, got " + std::to_string(n));
  std::vector<float> table = float_linspace(n, std::log(sigma_min), std::log(sigma_max));
  for (float& sigma : table) sigma = std::exp(sigma);
  std::vector<Step> result;
  for (const float u : float_linspace(n, 1, sampling_eps)) {
    const float told = static_cast<float>(sigma_min) * std::pow(static_cast<float>(sigma_max / sigma_min), u);
    const auto i = static_cast<std::size_t>(u * static_cast<float>(n - 1));
    result.push_back({{told, 1, table[i]}, {told, 1, i == 0 ? 0 : table[i - 1]}});
  }
  return result;
}

}  // namespace

Recipe read_score_ve(JsonFields& f) {
  const int train_steps = static_cast<int>(f.integer("num_train_timesteps", 2000, 2, 1000000));
  const double snr = read_positive(f, "snr", 0.15);
  const double low = read_positive(f, "sigma_min", 0.01), high = read_positive(f, "sigma_max", 1348);
  check_sigma_ends(f, low, high);
  const double sampling_eps = f.number("sampling_eps", 1e-5);
  const int correct_steps = static_cast<int>(f.integer("correct_steps", 1, 0, 1000));
  if (!(sampling_eps > 0 && sampling_eps < 1)) f.refuse("sampling_eps", "a number in (0, 1)");
  return [=](const SamplingOptions& o) -> Sampling {
    ScoreVeOptions options;
    options.snr = snr;
    options.correct_steps = correct_steps;
    options.batch_coupled = o.batch_coupled;
    return {steps_of(steps_or(o, train_steps), low, high, sampling_eps), bound(sample_score_ve, options), high, from_score,
            o.batch_coupled};
  };
}

}  // namespace eddy::inline v0_1
