// Philox4x32-10 [Salmon2011, Sec. 4] and the numbers that are keyed by it.
#include <array>
#include <cmath>
#include <numeric>

#include "base/portable_math.hpp"
#include "eddy/error.hpp"
#include "eddy/random.hpp"
#include "tensor/storage.hpp"

namespace eddy::inline v0_1 {

namespace {

std::array<std::uint32_t, 2> key_of(std::uint64_t seed) {
  return {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
}

class PhiloxSource final : public NoiseSource::Source {
 public:
  explicit PhiloxSource(std::uint64_t seed) : seed_(seed) {}

  Tensor normal(const Shape& shape, const NoiseKey& key, std::int64_t first_sample, const Context& context) override {
    if (shape.rank() == 0) throw Error("noise: the shape needs an extent of samples");
    Tensor result = Tensor::uninitialised(shape, DType::f32, context);
    struct Work {
      std::uint64_t seed;
      const NoiseKey& key;
      std::int64_t first, row;
      float* out;
    } work{seed_, key, first_sample, shape[0] > 0 ? shape.elements() / shape[0] : 0, Tensor::Access::write(result)};
    const auto tile = [](void* argument, std::int64_t i, int) {
      const Work& w = *static_cast<const Work*>(argument);
      keyed_normals(w.seed, w.key, w.first + i, {w.out + i * w.row, static_cast<std::size_t>(w.row)});
    };
    context.threads().run_tiles(shape[0], tile, &work);
    return result;
  }

 private:
  std::uint64_t seed_;
};

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> c, std::array<std::uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * c[0], b = std::uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<std::uint32_t>(b >> 32) ^ c[1] ^ k[0], static_cast<std::uint32_t>(b),
         static_cast<std::uint32_t>(a >> 32) ^ c[3] ^ k[1], static_cast<std::uint32_t>(a)};
    k[0] += 0x9E3779B9;
    k[1] += 0xBB67AE85;
  }
  return c;
}

std::array<std::uint32_t, 4> keyed_words(std::uint64_t seed, const NoiseKey& key, std::int64_t sample, std::int64_t block) {
  if (key.step >> 32 != 0 || key.substep >> 24 != 0 || key.purpose >> 8 != 0 || sample >> 32 != 0 || block >> 32 != 0) {
    throw Error("random: step, sample and block of a key must be below 2^32, substep below 2^24, purpose below 2^8, and none "
                "negative");
  }
  return philox4x32({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(sample),
                     static_cast<std::uint32_t>(key.step), key.purpose << 24 | key.substep},
                    key_of(seed));
}

std::uint32_t keyed_bits(std::uint64_t seed, const NoiseKey& key, std::int64_t sample, std::int64_t element) {
  return keyed_words(seed, key, sample, element >> 2)[static_cast<std::size_t>(element & 3)];
}

double keyed_uniform(std::uint64_t seed, const NoiseKey& key, std::int64_t sample, std::int64_t element) {
  return keyed_bits(seed, key, sample, element) * 0x1p-32;
}

void keyed_normals(std::uint64_t seed, const NoiseKey& key, std::int64_t sample, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); i += 4) {
    const auto w = keyed_words(seed, key, sample, static_cast<std::int64_t>(i / 4));
    for (std::size_t pair = 0; pair < 4 && i + pair < out.size(); pair += 2) {
      const double r = std::sqrt(-2 * portable_log((w[pair] + 1.0) * 0x1p-32));
      const SinCos turn = portable_sincos_turns(w[pair + 1] * 0x1p-32);
      out[i + pair] = static_cast<float>(r * turn.cos);
      if (i + pair + 1 < out.size()) out[i + pair + 1] = static_cast<float>(r * turn.sin);
    }
  }
}

std::vector<std::int64_t> keyed_permutation(std::uint64_t seed, const NoiseKey& key, std::int64_t n) {
  if (n < 0 || n >= std::int64_t{1} << 32) {
    throw Error("keyed_permutation: n must be in [0, 2^32), got " + std::to_string(n));
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (std::int64_t i = n - 1; i > 0; --i) {  // Fisher and Yates, from the end
    const std::uint64_t bits = keyed_bits(seed, key, 0, i);
    const auto j = static_cast<std::size_t>(bits * static_cast<std::uint64_t>(i + 1) >> 32);
    std::swap(order[static_cast<std::size_t>(i)], order[j]);
  }
  return order;
}

NoiseSource::Source::~Source() = default;

NoiseSource::NoiseSource(std::shared_ptr<Source> source, std::int64_t first_sample)
    : source_(std::move(source)), first_sample_(first_sample) {}

Tensor NoiseSource::normal(const Shape& shape, const NoiseKey& key, const Context& context) const {
  return source_->normal(shape, key, first_sample_, context);
}

Tensor NoiseSource::brownian(const Shape& shape, const BrownianKey& key, const Context& context) const {
  if (!std::isfinite(key.from) || !std::isfinite(key.to) || key.from < 0 || key.to < 0) {
    throw Error("noise: the levels of a Brownian path must be finite and not negative, got " + std::to_string(key.from) +
                " and " + std::to_string(key.to));
  }
  return source_->brownian(shape, key, first_sample_, context);
}

NoiseSource NoiseSource::from_row(std::int64_t row) const { return NoiseSource(source_, first_sample_ + row); }

NoiseSource NoiseSource::from_sample(std::int64_t first_sample) const { return NoiseSource(source_, first_sample); }

NoiseSource philox_noise(std::uint64_t seed) { return NoiseSource(std::make_shared<PhiloxSource>(seed)); }

}  // namespace eddy::inline v0_1
