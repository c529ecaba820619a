// The midpoint method at the geometric mean of two sigmas, DPM2 of [Crowson2022]:
//
//   sigma_m = sqrt(sigma sigma'),   x_m = x + (sigma_m - sigma) eps,   x' = x + (sigma' - sigma) eps_m       at alpha = 1
//
// In general the step goes straight from (alpha, sigma) to (alpha', sigma'), and the middle lies on that path at the share
// s = (sigma_m - sigma) / (sigma' - sigma) = sqrt(sigma) / (sqrt(sigma) + sqrt(sigma')). The network sees x_m at the scale of
// the level that level_at gives.
#include "sampler/midpoint.hpp"

#include <cmath>

#include "sampler/support.hpp"

namespace eddy::inline v0_1 {

Tensor midpoint_step(const char* sampler, const Denoiser& denoise, const Tensor& x, Prediction& p, const Step& step,
                     const LevelAt& level_at, const Clip& clip) {
  const auto& [from, to] = step;
  if (to.sigma == 0) return along(x, p, step);
  const double s = std::sqrt(from.sigma) / (std::sqrt(from.sigma) + std::sqrt(to.sigma));
  const NoiseLevel on_path{0, from.alpha + s * (to.alpha - from.alpha), from.sigma + s * (to.sigma - from.sigma)};
  const NoiseLevel middle = level_of(sampler, level_at, ratio(on_path));
  const double scale = (middle.alpha + middle.sigma) / (on_path.alpha + on_path.sigma);
  Tensor x_m = along(x, p, {from, on_path});
  if (std::abs(scale - 1) > 1e-12) x_m = affine(x_m, scale);
  p = limited(predicted(sampler, denoise, x_m, {&middle, 1}), clip, middle);
  return along(x, p, step);
}

}  // namespace eddy::inline v0_1
