// A network that leads from any level of a path straight to its end [Song2023].
//
//   x0 = c_skip x + c_out F(c_in x),  at alpha = 1; s = sigma_data, m = sigma_min
//   c_skip = s^2 / ((sigma - m)^2 + s^2), c_out = s (sigma - m) / sqrt(sigma^2 + s^2),
//   c_in = 1 / sqrt(sigma^2 + s^2)                                              [Song2023, App. C]
#include <cmath>
#include <string>

#include "denoiser/network_call.hpp"
#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

Denoiser from_consistency(Network network, Condition condition, const ConsistencyScale& scale) {
  if (!(scale.sigma_data > 0)) {
    throw Error("from_consistency: sigma_data must be positive, got " + std::to_string(scale.sigma_data));
  }
  if (!(scale.sigma_min >= 0)) throw Error("from_consistency: sigma_min must not be negative");
  const double s = scale.sigma_data, m = scale.sigma_min;
  return [=](const Tensor& x, std::span<const NoiseLevel> levels) -> Prediction {
    const auto c_in = [s](const NoiseLevel& l) { return l.alpha > 0 ? std::hypot(l.sigma, s * l.alpha) : 0; };
    NetworkCall o = call_network("from_consistency", network, condition, x, levels, c_in);
    // alpha and sigma are c_in and c_in sigma there.
    const auto c_skip = [=](const NoiseLevel& l) {
      const double d = l.sigma / l.alpha - m;
      return s * s / (d * d + s * s) / l.alpha;
    };
    const auto c_out = [=](const NoiseLevel& l) { return s * (l.sigma / l.alpha - m) * l.alpha; };
    const auto a = [](const NoiseLevel& l) { return l.sigma > 0 ? 1 / l.sigma : 0.0; };
    const auto b = [](const NoiseLevel& l) { return l.sigma > 0 ? -l.alpha / l.sigma : 0.0; };
    const Tensor x0 = combine_by_level(o.levels, c_skip, o.x, c_out, o.raw);
    return {x0, combine_by_level(o.levels, a, o.x, b, x0), o.variance};
  };
}

}  // namespace eddy::inline v0_1
