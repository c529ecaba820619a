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

#include "denoiser/levels.hpp"
#include "eddy/denoiser.hpp"
#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

void check_levels(const char* operation, const Tensor& x, std::span<const NoiseLevel> levels) {
  const auto n = static_cast<std::size_t>(x.defined() && x.rank() > 0 ? x.extent(0) : 0);
  if (levels.size() != 1 && levels.size() != n) {
    throw Error(std::string(operation) + ": needs one level, or one for each of " + std::to_string(n) + " samples, got " +
                std::to_string(levels.size()));
  }
}

namespace {

using Scale = std::function<double(const NoiseLevel&)>;

double variance_preserving(const NoiseLevel& l) { return std::hypot(l.alpha, l.sigma); }
double linear_path(const NoiseLevel& l) { return l.alpha + l.sigma; }

// The network's view of a call: x and levels at its scale, and its output without the variance half.
struct Output {
  Tensor x;
  std::vector<NoiseLevel> levels;
  Tensor raw, variance;
};

Output call(const char* operation, const Network& network, const Condition& condition, const Tensor& x,
            std::span<const NoiseLevel> levels, const Scale& scale) {
  check_levels(operation, x, levels);
  Output o;
  bool same = true;
  std::vector<float> ts;
  for (const NoiseLevel& level : levels) {
    const double k = scale(level);
    if (!(k > 0 && std::isfinite(k))) {
      throw Error(std::string(operation) + ": alpha and sigma must be finite and not both 0, got " +
                  std::to_string(level.alpha) + " and " + std::to_string(level.sigma));
    }
    same = same && std::abs(k - 1) < 1e-12;
    o.levels.push_back({level.t, level.alpha / k, level.sigma / k});
    ts.push_back(static_cast<float>(level.t));
  }
  const auto inverse = [&scale](const NoiseLevel& l) { return 1 / scale(l); };
  o.x = same ? x : combine_by_level(levels, inverse, x, [](const NoiseLevel&) { return 0.0; }, {});
  ts.resize(static_cast<std::size_t>(x.extent(0)), ts.front());
  const Tensor t = Tensor::from(std::span<const float>(ts), {x.extent(0)}, x.context());
  o.raw = network(o.x, t, condition);
  const std::int64_t channels = x.extent(-1), given = o.raw.extent(-1);
  if (given == 2 * channels) {
    o.variance = slice(o.raw, channels, channels);
    o.raw = slice(o.raw, 0, channels);
  } else if (given != channels) {
    throw Error(std::string(operation) + ": the network's output has " + std::to_string(given) + " channels, x has " +
                std::to_string(channels));
  }
  return o;
}

}  // namespace

Denoiser from_eps(Network network, Condition condition) {
  return [=](const Tensor& x, std::span<const NoiseLevel> levels) -> Prediction {
    for (const NoiseLevel& level : levels) {
      if (level.alpha == 0) {
        throw Error("from_eps: at alpha = 0 a noise prediction says nothing of x0; use a velocity or sample prediction");
      }
    }
    Output o = call("from_eps", network, condition, x, levels, variance_preserving);
    const auto a = [](const NoiseLevel& l) { return 1 / l.alpha; };
    const auto b = [](const NoiseLevel& l) { return -l.sigma / l.alpha; };
    return {combine_by_level(o.levels, a, o.x, b, o.raw), o.raw, o.variance};
  };
}

Denoiser from_v(Network network, Condition condition) {
  return [=](const Tensor& x, std::span<const NoiseLevel> levels) -> Prediction {
    Output o = call("from_v", network, condition, x, levels, variance_preserving);
    const auto alpha = [](const NoiseLevel& l) { return l.alpha; };
    const auto sigma = [](const NoiseLevel& l) { return l.sigma; };
    const auto minus_sigma = [](const NoiseLevel& l) { return -l.sigma; };
    return {combine_by_level(o.levels, alpha, o.x, minus_sigma, o.raw), combine_by_level(o.levels, sigma, o.x, alpha, o.raw),
            o.variance};
  };
}

Denoiser from_x0(Network network, Condition condition) {
  return [=](const Tensor& x, std::span<const NoiseLevel> levels) -> Prediction {
    Output o = call("from_x0", network, condition, x, levels, variance_preserving);
    const auto a = [](const NoiseLevel& l) { return l.sigma > 0 ? 1 / l.sigma : 0.0; };
    const auto b = [](const NoiseLevel& l) { return l.sigma > 0 ? -l.alpha / l.sigma : 0.0; };
    return {o.raw, combine_by_level(o.levels, a, o.x, b, o.raw), o.variance};
  };
}

Denoiser from_flow(Network network, Condition condition) {
  return [=](const Tensor& x, std::span<const NoiseLevel> levels) -> Prediction {
    Output o = call("from_flow", network, condition, x, levels, linear_path);
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
    Output o = call("from_edm", network, condition, x, levels, scale);
    const auto skip = [d](const NoiseLevel& l) { return d * d * l.alpha; };
    const auto out = [d, sign](const NoiseLevel& l) { return sign * d * l.sigma; };
    const auto sigma = [](const NoiseLevel& l) { return l.sigma; };
    const auto noise_out = [d, sign](const NoiseLevel& l) { return -sign * d * l.alpha; };
    return {combine_by_level(o.levels, skip, o.x, out, o.raw), combine_by_level(o.levels, sigma, o.x, noise_out, o.raw),
            o.variance};
  };
}

}  // namespace eddy::inline v0_1
