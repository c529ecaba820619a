// Brownian paths over the noise level as functions of two levels, without ends and without a history.
//
// The octaves [2^k, 2^(k+1)) are independent, and inside each stands Levy's construction; with u = sigma 2^-k - 1 in [0, 1):
//   W(sigma) - W(2^k) = 2^(k/2) (z_0 u + sum_d sum_j z_dj 2^(-d/2 - 1) hat(2^d u - j)),  hat(v) = max(0, 1 - |2 v - 1|)
// [Karatzas1998, 2.3]. u is rounded to a multiple of 2^-20, where the sum over d < 20 is exact. An increment is a sum of normals
// whose factors are differences of those of its two levels; of each depth one or two are not zero. Levels below 2^-40 count as
// that. The key of z_dj: kBrownian, step = 2^d + j (z_0: 0), substep = k + 4096.
#include <cmath>
#include <map>
#include <string>

#include "eddy/error.hpp"
#include "eddy/random.hpp"
#include "tensor/storage.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr int kDepth = 20, kLowest = -40;

// On the grid: 2^octave (1 + u 2^-kDepth).
struct Level {
  int octave;
  std::uint32_t u;
  double sigma() const { return std::ldexp(1 + std::ldexp(u, -kDepth), octave); }
};

Level level_of(double sigma) {
  if (sigma < std::ldexp(1, kLowest)) return {kLowest, 0};
  const int octave = std::ilogb(sigma);
  const auto u = static_cast<std::uint32_t>(std::lround(std::ldexp(sigma, kDepth - octave))) - (1u << kDepth);
  return u < 1u << kDepth ? Level{octave, u} : Level{octave + 1, 0};
}

using Factors = std::map<std::pair<int, std::uint32_t>, double>;  // of (octave, node): z_0 is node 0, z_dj node 2^d + j

void add_level(Factors& factors, const Level& level, double sign) {
  for (int k = kLowest; k < level.octave; ++k) factors[{k, 0}] += sign * std::exp2(0.5 * k);
  const double scale = sign * std::exp2(0.5 * level.octave), u = std::ldexp(level.u, -kDepth);
  factors[{level.octave, 0}] += scale * u;
  for (int d = 0; d < kDepth; ++d) {
    const std::uint32_t j = level.u >> (kDepth - d);
    const double v = std::ldexp(u, d) - j, hat = 1 - std::abs(2 * v - 1);
    factors[{level.octave, (1u << d) + j}] += scale * std::exp2(-0.5 * d - 1) * hat;
  }
}

}  // namespace

Tensor NoiseSource::Source::brownian(const Shape& shape, const BrownianKey& key, std::int64_t first, const Context& context) {
  const Level from = level_of(key.from), to = level_of(key.to);
  const double distance = std::abs(to.sigma() - from.sigma());
  if (!(distance > 0)) {
    throw Error("noise: the two levels of a Brownian path must differ by 2^-20 of their size, got " + std::to_string(key.from) +
                " and " + std::to_string(key.to));
  }
  Factors factors;
  add_level(factors, to, 1);
  add_level(factors, from, -1);
  std::optional<NoiseSource> own;
  if (key.seed) own = philox_noise(*key.seed).from_sample(first);
  Tensor result = Tensor::zeros(shape, context);
  float* const sum = Tensor::Access::write(result);
  for (const auto& [place, factor] : factors) {
    if (factor == 0) continue;
    const NoiseKey of_node{kBrownian, place.second, static_cast<std::uint32_t>(place.first + 4096)};
    const Tensor z = own ? own->normal(shape, of_node, context) : normal(shape, of_node, first, context);
    const double scaled = factor / std::sqrt(distance);
    const std::span<const float> values = z.values();
    for (std::size_t i = 0; i < values.size(); ++i) sum[i] = static_cast<float>(sum[i] + scaled * values[i]);
  }
  return result;
}

}  // namespace eddy::inline v0_1
