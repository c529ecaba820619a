// What an adapter asks of a network.
#pragma once

#include "denoiser/levels.hpp"
#include "eddy/denoiser.hpp"

namespace eddy::inline v0_1 {

// The network's view of a call: x and levels at its scale, and its output without the variance half.
struct NetworkCall {
  Tensor x;
  std::vector<NoiseLevel> levels;
  Tensor raw, variance;
};

// x, alpha and sigma of each sample are divided by scale(level). Throws Error naming the operation where that is not finite or
// not above 0, and for an output of other than x's or twice x's channels.
NetworkCall call_network(const char* operation, const Network& network, const Condition& condition, const Tensor& x,
                         std::span<const NoiseLevel> levels, const std::function<double(const NoiseLevel&)>& scale);

}  // namespace eddy::inline v0_1
