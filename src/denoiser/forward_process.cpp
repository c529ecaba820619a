// Adding noise [Ho2020, Eq. 2 and 4], and the velocity [Salimans2022, D].
#include <cmath>

#include "denoiser/levels.hpp"
#include "eddy/denoiser.hpp"
#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

Tensor add_noise(const Tensor& x0, const Tensor& eps, std::span<const NoiseLevel> levels) {
  check_levels("add_noise", x0, levels);
  return combine_by_level(
      levels, [](const NoiseLevel& l) { return l.alpha; }, x0, [](const NoiseLevel& l) { return l.sigma; }, eps);
}

Tensor add_noise_step(const Tensor& x, const Tensor& eps, const NoiseLevel& from, const NoiseLevel& to) {
  const double ratio = from.alpha > 0 ? to.alpha / from.alpha : 0;
  const double variance = to.sigma * to.sigma - ratio * ratio * from.sigma * from.sigma;
  if (variance < 0) throw Error("add_noise_step: the second level must be the noisier one");
  return combine(ratio, x, std::sqrt(variance), eps);
}

Tensor velocity(const Tensor& x0, const Tensor& eps, std::span<const NoiseLevel> levels) {
  check_levels("velocity", x0, levels);
  return combine_by_level(
      levels, [](const NoiseLevel& l) { return -l.sigma; }, x0, [](const NoiseLevel& l) { return l.alpha; }, eps);
}

}  // namespace eddy::inline v0_1
