// Values of parameters before training, keyed by (seed, name, element).
//
//   paper   U(-a, a), a = sqrt(3 / mean(fan in, fan out)), biases 0, last layers of residual branches 0  [Ho2020, B]
//   torch   U(-a, a), a = 1 / sqrt(fan in), for weights and biases
#include "nn/initialise.hpp"

#include <algorithm>
#include <cmath>

#include "base/hash.hpp"
#include "eddy/random.hpp"

namespace eddy::inline v0_1 {

void fill(std::span<float> values, const Initializer& initializer, std::uint64_t seed, const std::string& name) {
  const std::uint64_t hash = fnv1a(name);
  const NoiseKey key(kParameters, hash & 0xffffffffu, static_cast<std::uint32_t>(hash >> 40));
  switch (initializer.kind) {
    case Initializer::Kind::zeros:
      std::ranges::fill(values, 0.0f);
      return;
    case Initializer::Kind::ones:
      std::ranges::fill(values, 1.0f);
      return;
    case Initializer::Kind::uniform:
      for (std::size_t i = 0; i < values.size(); ++i) {
        const double u = keyed_uniform(seed, key, 0, static_cast<std::int64_t>(i));
        values[i] = static_cast<float>((2 * u - 1) * initializer.scale);
      }
      return;
    case Initializer::Kind::normal:
      keyed_normals(seed, key, 0, values);
      for (float& value : values) value = static_cast<float>(value * initializer.scale);
      return;
  }
}

Initializer weight_initializer(const ParameterTree& tree, std::int64_t fan_in, std::int64_t fan_out, bool zero) {
  const auto in = static_cast<double>(fan_in), out = static_cast<double>(fan_out);
  if (tree.style() == Initialisation::torch) return {Initializer::Kind::uniform, 1 / std::sqrt(in)};
  if (zero) return {Initializer::Kind::zeros};
  return {Initializer::Kind::uniform, std::sqrt(3 / ((in + out) / 2))};
}

Initializer bias_initializer(const ParameterTree& tree, std::int64_t fan_in) {
  if (tree.style() == Initialisation::torch) {
    return {Initializer::Kind::uniform, 1 / std::sqrt(static_cast<double>(fan_in))};
  }
  return {Initializer::Kind::zeros};
}

}  // namespace eddy::inline v0_1
