// Ancestral steps, and Brownian noise over the steps.
#include "sampler/log_snr.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

AncestralStep ancestral_step(double from, double to, double eta) {
  if (eta == 0 || to == 0) return {to, 0};
  const double up = std::min(to, eta * to * std::sqrt(std::max(0.0, (from - to) * (from + to))) / from);
  return {std::sqrt(std::max(0.0, (to - up) * (to + up))), up};
}

void check_stochastic(const char* sampler, std::span<const Step> steps, const StochasticOptions& options) {
  check_steps(sampler, steps);
  if (!(options.eta >= 0) || !(options.s_noise >= 0) || !std::isfinite(options.eta) || !std::isfinite(options.s_noise)) {
    throw Error(std::string(sampler) + ": eta and s_noise must be finite and not negative, got " + std::to_string(options.eta) +
                " and " + std::to_string(options.s_noise));
  }
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (!(steps[i].from.alpha > 0) || !(steps[i].to.alpha > 0) || !(steps[i].from.sigma > 0)) {
      throw Error(std::string(sampler) + ": step " + std::to_string(i) +
                  " must have alpha above 0 and begin at sigma above 0: ln(alpha / sigma) must exist");
    }
  }
}

Tensor first_order(const Tensor& x, const Tensor& x0, const NoiseLevel& from, const NoiseLevel& to, double down) {
  const double shrink = down / ratio(from);
  return combine(to.alpha / from.alpha * shrink, x, to.alpha * (1 - shrink), x0);
}

BrownianNoise::BrownianNoise(const NoiseSource& noise, std::span<const Step> steps, const BrownianOptions& options)
    : noise_(noise), low_(ratio(steps.front().from)), high_(low_), seed_(options.noise_seed) {
  for (const Step& step : steps) {
    for (const double r : {ratio(step.from), ratio(step.to)}) {
      if (r > 0) low_ = std::min(low_, r);
      high_ = std::max(high_, r);
    }
  }
}

Tensor BrownianNoise::between(const Tensor& like, std::size_t step, std::uint32_t stage, double from, double to) const {
  return noise_.brownian(like.shape(), {{kStepNoise, step, stage}, from, to, low_, high_, seed_}, like.context());
}

}  // namespace eddy::inline v0_1
