// A network that gives the score of a variance-exploding process, g = -eps / sigma at alpha = 1 [Song2021b, Eq. 9]:
//
//   x0 = x + sigma^2 g,   eps = -sigma g
#include "denoiser/network_call.hpp"

namespace eddy::inline v0_1 {

Denoiser from_score(Network network, Condition condition) {
  return [=](const Tensor& x, std::span<const NoiseLevel> levels) -> Prediction {
    NetworkCall o = call_network("from_score", network, condition, x, levels, [](const NoiseLevel& l) { return l.alpha; });
    const auto one = [](const NoiseLevel&) { return 1.0; };
    const auto square = [](const NoiseLevel& l) { return l.sigma * l.sigma; };
    const auto minus_sigma = [](const NoiseLevel& l) { return -l.sigma; };
    const Tensor eps = combine_by_level(o.levels, minus_sigma, o.raw, one, {});
    return {combine_by_level(o.levels, one, o.x, square, o.raw), eps, o.variance};
  };
}

}  // namespace eddy::inline v0_1
