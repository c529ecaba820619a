// From a network's output to x0 and eps. With x, alpha, sigma at the network's scale:
//
//   eps    x0 = (x - sigma eps) / alpha
//   v      x0 = alpha x - sigma v,      eps = sigma x + alpha v              [Salimans2022, D]
//   x0     eps = (x - alpha x0) / sigma
//   flow   x0 = x - sigma u,            eps = x + alpha u                    (alpha + sigma = 1)
//   edm    x0 = d^2 alpha x + d sigma F, eps = sigma x - d alpha F           (sigma^2 + d^2 alpha^2 = 1)    [Karras2022, Eq. 7]
//
// The paper states the last at alpha = 1, as x0 = c_skip x + c_out F(c_in x): our scale is 1 / c_in, and d is sigma_data.
#include <cmath>

#include "denoiser/network_call.hpp"
#include "eddy/denoiser.hpp"
#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

namespace {

double variance_preserving(const NoiseLevel& l) { return std::hypot(l.alpha, l.sigma); }
double linear_path(const NoiseLevel& l) { return l.alpha + l.sigma; }

}  // namespace

Denoiser from_eps(Network network, Condition condition) {
  return [=](const Tensor& x, std::span<const NoiseLevel> levels) -> Prediction {
    for (const NoiseLevel& level : levels) {
      if (level.alpha == 0) {
        throw Error("from_eps: at alpha = 0 a noise prediction says nothing of x0; use a velocity or sample prediction");
      }
    }
    NetworkCall o = call_network("from_eps", network, condition, x, levels, variance_preserving);
    const auto a = [](const NoiseLevel& l) { return 1 / l.alpha; };
    const auto b = [](const NoiseLevel& l) { return -l.sigma / l.alpha; };
    return {combine_by_level(o.levels, a, o.x, b, o.raw), o.raw, o.variance};
  };
}

Denoiser from_v(Network network, Condition condition) {
  return [=](const Tensor& x, std::span<const NoiseLevel> levels) -> Prediction {
    NetworkCall o = call_network("from_v", network, condition, x, levels, variance_preserving);
    const auto alpha = [](const NoiseLevel& l) { return l.alpha; };
    const auto sigma = [](const NoiseLevel& l) { return l.sigma; };
    const auto minus_sigma = [](const NoiseLevel& l) { return -l.sigma; };
    return {combine_by_level(o.levels, alpha, o.x, minus_sigma, o.raw), combine_by_level(o.levels, sigma, o.x, alpha, o.raw),
            o.variance};
  };
}

Denoiser from_x0(Network network, Condition condition) {
  return [=](const Tensor& x, std::span<const NoiseLevel> levels) -> Prediction {
    NetworkCall o = call_network("from_x0", network, condition, x, levels, variance_preserving);
    const auto a = [](const NoiseLevel& l) { return l.sigma > 0 ? 1 / l.sigma : 0.0; };
    const auto b = [](const NoiseLevel& l) { return l.sigma > 0 ? -l.alpha / l.sigma : 0.0; };
    return {o.raw, combine_by_level(o.levels, a, o.x, b, o.raw), o.variance};
  };
}

Denoiser from_flow(Network network, Condition condition) {
  return [=](const Tensor& x, std::span<const NoiseLevel> levels) -> Prediction {
    NetworkCall o = call_network("from_flow", network, condition, x, levels, linear_path);
    const auto one = [](const NoiseLevel&) { return 1.0; };
    const auto alpha = [](const NoiseLevel& l) { return l.alpha; };
    const auto minus_sigma = [](const NoiseLevel& l) { return -l.sigma; };
    return {combine_by_level(o.levels, one, o.x, minus_sigma, o.raw), combine_by_level(o.levels, one, o.x, alpha, o.raw),
            o.variance};
  };
}

Denoiser from_edm(Network network, Condition condition, const EdmScaling& scaling) {
  const double d = scaling.sigma_data, sign = scaling.negative ? -1 : 1;
  if (!(d > 0 && std::isfinite(d))) throw Error("from_edm: sigma_data must be finite and above 0, got " + std::to_string(d));
  return [=](const Tensor& x, std::span<const NoiseLevel> levels) -> Prediction {
    const auto scale = [d](const NoiseLevel& l) { return std::hypot(l.sigma, d * l.alpha); };
    NetworkCall o = call_network("from_edm", network, condition, x, levels, scale);
    const auto skip = [d](const NoiseLevel& l) { return d * d * l.alpha; };
    const auto out = [d, sign](const NoiseLevel& l) { return sign * d * l.sigma; };
    const auto sigma = [](const NoiseLevel& l) { return l.sigma; };
    const auto noise_out = [d, sign](const NoiseLevel& l) { return -sign * d * l.alpha; };
    return {combine_by_level(o.levels, skip, o.x, out, o.raw), combine_by_level(o.levels, sigma, o.x, noise_out, o.raw),
            o.variance};
  };
}

}  // namespace eddy::inline v0_1
