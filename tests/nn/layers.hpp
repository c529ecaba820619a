// What the layers' tests share.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "eddy/eddy.hpp"

namespace eddy::test {

inline std::vector<float> list(const Tensor& x) { return {x.values().begin(), x.values().end()}; }

inline Tensor noise(const Shape& shape, std::uint64_t seed) { return philox_noise(seed).normal(shape, kInitialNoise); }

// Fills a tree with other values than its initialisers'.
inline void randomise(const ParameterTree& tree) {
  tree.allocate();
  std::uint64_t seed = 100;
  for (const Parameter& p : tree.parameters()) {
    const Tensor values = noise(p.shape(), ++seed);
    std::ranges::copy(values.values(), p.write().begin());
  }
}

inline double largest(const Parameter& p) {
  double result = 0;
  for (const float v : p.value().values()) result = std::max(result, std::abs(static_cast<double>(v)));
  return result;
}

}  // namespace eddy::test
