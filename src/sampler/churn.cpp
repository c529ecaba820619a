// Churn: noise added before a step, so that later steps mend errors of earlier ones.
//
//   gamma  = min(s_churn / n, sqrt(2) - 1) where s_tmin <= sigma <= s_tmax, else 0                    [Karras2022, Alg. 2]
//   sigma^ = (1 + gamma) sigma,   x^ = x + sqrt(sigma^^2 - sigma^2) s_noise z
//
// for alpha = 1. In general sigma is sigma / alpha, the noisier level has an alpha of its own, and x is scaled by
// alpha^ / alpha. At alpha = 0 nothing is noisier.
#include "sampler/churn.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "eddy/error.hpp"
#include "sampler/support.hpp"

namespace eddy::inline v0_1 {

void check_churn(const char* sampler, const ChurnOptions& options) {
  const auto& [s_churn, s_tmin, s_tmax, s_noise] = options.churn;
  if (!(s_churn >= 0 && s_tmin >= 0 && s_tmax >= 0 && s_noise >= 0)) {
    throw Error(std::string(sampler) + ": s_churn, s_tmin, s_tmax and s_noise must be 0 or above");
  }
  if (s_churn > 0 && !options.level_at) {
    throw Error(std::string(sampler) + ": churn leaves the list of steps and needs options.level_at");
  }
}

NoiseLevel churned_level(const char* sampler, const NoiseLevel& from, std::size_t steps, const ChurnOptions& options) {
  const auto& [s_churn, s_tmin, s_tmax, s_noise] = options.churn;
  if (s_churn == 0 || from.alpha == 0) return from;
  const double now = ratio(from);
  if (now == 0 || now < s_tmin || now > s_tmax) return from;
  const double gamma = std::min(s_churn / static_cast<double>(options.steps_before + steps), std::sqrt(2.0) - 1);
  return level_of(sampler, options.level_at, now * (1 + gamma));
}

Tensor churned(const Tensor& x, const NoiseLevel& from, const NoiseLevel& noisier, double s_noise, const Tensor& z) {
  const double scale = noisier.alpha / from.alpha, kept = scale * from.sigma;
  return combine(scale, x, s_noise * std::sqrt(std::max(0.0, noisier.sigma * noisier.sigma - kept * kept)), z);
}

}  // namespace eddy::inline v0_1
