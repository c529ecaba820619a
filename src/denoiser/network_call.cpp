// One evaluation of a network, at its scale.
#include "denoiser/network_call.hpp"

#include <cmath>

#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

void check_levels(const char* operation, const Tensor& x, std::span<const NoiseLevel> levels) {
  const auto n = static_cast<std::size_t>(x.defined() && x.rank() > 0 ? x.extent(0) : 0);
  if (levels.size() != 1 && levels.size() != n) {
    throw Error(std::string(operation) + ": needs one level, or one for each of " + std::to_string(n) + " samples, got " +
                std::to_string(levels.size()));
  }
}

NetworkCall call_network(const char* operation, const Network& network, const Condition& condition, const Tensor& x,
                         std::span<const NoiseLevel> levels, const std::function<double(const NoiseLevel&)>& scale) {
  check_levels(operation, x, levels);
  NetworkCall o;
  bool same = true;
  std::vector<float> ts;
  for (const NoiseLevel& level : levels) {
    const double k = scale(level);
    if (!(k > 0 && std::isfinite(k))) {
      const bool some = std::isfinite(level.alpha) && std::isfinite(level.sigma) && (level.alpha != 0 || level.sigma != 0);
      const char* const must = some ? ": alpha must be above 0" : ": alpha and sigma must be finite and not both 0";
      throw Error(operation + (must + (", got " + std::to_string(level.alpha))) + " and " + std::to_string(level.sigma));
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

}  // namespace eddy::inline v0_1
