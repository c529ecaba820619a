// ScoreSdeVpScheduler: u from 1 to sampling_eps in n steps of length 1 / n (a little more than what lies between them), beta(u) =
// beta_min + u (beta_max - beta_min), alpha = exp(-u^2 (beta_max - beta_min) / 4 - u beta_min / 2). The network gives eps and is
// told u (n - 1), as the pipeline of diffusers did. A step leads to alpha exp(beta / 2n), the last of them above 1.
#include <cmath>

#include "pipeline/scheduler/recipe.hpp"
#include "schedule/linspace.hpp"

namespace eddy::inline v0_1 {

Recipe read_score_vp(JsonFields& f) {
  const int train_steps = static_cast<int>(f.integer("num_train_timesteps", 2000, 1, 1000000));
  const double low = read_positive(f, "beta_min", 0.1), high = read_positive(f, "beta_max", 20);
  const double sampling_eps = f.number("sampling_eps", 1e-3);
  if (!(high >= low)) f.refuse("beta_max", "a number of at least beta_min");
  if (!(sampling_eps > 0 && sampling_eps < 1)) f.refuse("sampling_eps", "a number in (0, 1)");
  return [=](const SamplingOptions& o) -> Sampling {
    const int n = steps_or(o, std::min(1000, train_steps));
    std::vector<Step> steps;
    for (const float u : float_linspace(n, 1, sampling_eps)) {
      const float log_alpha = -0.25f * (u * u) * static_cast<float>(high - low) - 0.5f * u * static_cast<float>(low);
      const float sigma = std::sqrt(1 - std::exp(2 * log_alpha));
      const float beta = static_cast<float>(low) + u * static_cast<float>(high - low);
      const double alpha = std::exp(static_cast<double>(log_alpha)), next = alpha * std::exp(static_cast<double>(beta) / n / 2);
      steps.push_back({{u * static_cast<float>(n - 1), alpha, sigma}, {0, next, std::sqrt(std::max(0.0, 1 - next * next))}});
    }
    return {steps, bound(sample_score_vp, SamplerOptions{}), 1, from_eps};
  };
}

}  // namespace eddy::inline v0_1
