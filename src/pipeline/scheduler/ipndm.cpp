// IPNDMScheduler: sigma = sin^2(pi u / 2), alpha = sqrt(1 - sigma^2) for u from 1 to 0; t is the angle of (alpha, sigma) over
// pi / 2. The output is always a velocity. At the first level alpha is 0, and diffusers' max(alpha, 1e-8) makes x0 = 0 there,
// whatever the network says. trained_betas are the sigmas themselves, and fix the number of steps.
#include <cmath>

#include "pipeline/scheduler/recipe.hpp"
#include "schedule/linspace.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr float kPi = 3.14159265358979323846f;

std::vector<float> sigmas_of(int n) {
  std::vector<float> sigmas = float_linspace(n + 1, 1, 0);
  sigmas.back() = 0;
  for (float& sigma : sigmas) {
    const float sine = std::sin(sigma * kPi / 2);
    sigma = sine * sine;
  }
  return sigmas;
}

}  // namespace

Recipe read_ipndm(JsonFields& f) {
  const int train_steps = static_cast<int>(f.integer("num_train_timesteps", 1000, 1, 1000000));
  const std::vector<double> given = f.numbers("trained_betas");
  if (f.has("trained_betas") && given.size() < 2) f.refuse("trained_betas", "at least two numbers");
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (given[i] >= 0 && given[i] <= 1 && (i == 0 || given[i] < given[i - 1])) continue;
    f.refuse("trained_betas", "falling numbers in [0, 1]");
  }
  return [=](const SamplingOptions& o) -> Sampling {
    const int n = given.empty() ? steps_or(o, std::min(100, train_steps)) : static_cast<int>(given.size()) - 1;
    if (o.steps > 0 && o.steps != n) {
      throw Error("sampling_of: trained_betas of ipndm fix the number of steps at " + std::to_string(n) + ", got " +
                  std::to_string(o.steps));
    }
    const std::vector<float> sigmas = given.empty() ? sigmas_of(n) : std::vector<float>(given.begin(), given.end());
    std::vector<NoiseLevel> levels;
    for (const float sigma : sigmas) {
      const float alpha = std::sqrt(1 - sigma * sigma);
      levels.push_back({std::atan2(sigma, alpha) / kPi * 2, alpha, sigma});
    }
    IpndmOptions options;
    options.least_alpha = 1e-8;
    return {steps(levels), bound(sample_ipndm, options), 1, from_v};
  };
}

}  // namespace eddy::inline v0_1
