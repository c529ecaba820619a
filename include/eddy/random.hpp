// Random numbers as functions of a key, never of a stream's history.
//
// Philox4x32-10 [Salmon2011] with key = seed and counter =
//   (block of 4 elements, global sample index, step, purpose << 24 | substep),
// so sample i alone equals sample i in any batch, and a resumed run needs no generator state. Normals come from pairs of
// words by Box and Muller: r = sqrt(-2 ln((w0 + 1) 2^-32)), angle = 2 pi w1 2^-32, (r cos, r sin), with elementary
// functions of our own: the same bytes with every C library.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "eddy/tensor.hpp"

namespace eddy::inline v0_1 {

// What a number is drawn for. A user's own purposes begin at kUser; all are below 256.
enum Purpose : std::uint32_t {
  kInitialNoise = 1,
  kStepNoise,
  kTrainingNoise,
  kTimesteps,
  kShuffle,
  kParameters,
  kDropout,
  kFlip,
  kLabelDropout,
  kHeldOut,
  kUser = 128
};

struct NoiseKey {
  NoiseKey(Purpose p, std::uint64_t step_ = 0, std::uint32_t substep_ = 0) noexcept  // NOLINT: a purpose is a key
      : purpose(p), step(step_), substep(substep_) {}
  Purpose purpose;
  std::uint64_t step;     // below 2^32
  std::uint32_t substep;  // below 2^24
};

// Makes noise for samplers and training. Copies share the source.
class EDDY_API NoiseSource {
 public:
  // A user's own source.
  class EDDY_API Source {
   public:
    virtual ~Source();
    // Standard normals of the shape; row i of the outermost extent belongs to sample first_sample + i.
    virtual Tensor normal(const Shape& shape, const NoiseKey& key, std::int64_t first_sample, const Context& context) = 0;
  };

  explicit NoiseSource(std::shared_ptr<Source> source, std::int64_t first_sample = 0);
  Tensor normal(const Shape& shape, const NoiseKey& key, const Context& context = {}) const;
  // The same source for a batch whose first row is this sample.
  NoiseSource from_sample(std::int64_t first_sample) const;

 private:
  std::shared_ptr<Source> source_;
  std::int64_t first_sample_;
};

EDDY_API NoiseSource philox_noise(std::uint64_t seed);

// `a` is Linux on x86-64, `c` arm64: they differ in the last bits.
enum class TorchVariant { a, c };

// What torch.randn draws on the CPU after torch.manual_seed(seed), bit for bit, for the whole of `num` samples in
// (N, C, H, W) order, one tensor for each key in the order of first use. A stream by nature: `num` changes the numbers, the
// batch size does not (each batch draws the whole again). Throws Error for rows at or beyond num.
EDDY_API NoiseSource torch_cpu_noise(std::uint64_t seed, std::int64_t num, TorchVariant variant = TorchVariant::a);

// The generator behind it.
class EDDY_API TorchGenerator {
 public:
  explicit TorchGenerator(std::uint64_t seed, TorchVariant variant = TorchVariant::a);
  // torch.randn of as many float32 elements.
  void randn(std::span<float> out);
  // torch.randint(low, high), and torch.randperm(n).
  std::int64_t randint(std::int64_t low, std::int64_t high);
  std::vector<std::int64_t> randperm(std::int64_t n);

  struct State;

 private:
  std::shared_ptr<State> state_;
};

// ---- keyed numbers -----------------------------------------------------------------------------------------------

EDDY_API std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

// Words of the elements [4 block, 4 block + 4) of the key's numbers for a sample.
EDDY_API std::array<std::uint32_t, 4> keyed_words(std::uint64_t seed, const NoiseKey& key, std::int64_t sample,
                                                  std::int64_t block);
// The element's word of the key's numbers for a sample. This and what follows throw Error for a key, sample or element out of
// range.
EDDY_API std::uint32_t keyed_bits(std::uint64_t seed, const NoiseKey& key, std::int64_t sample, std::int64_t element = 0);
// In [0, 1), a multiple of 2^-32.
EDDY_API double keyed_uniform(std::uint64_t seed, const NoiseKey& key, std::int64_t sample, std::int64_t element = 0);
// Standard normals: elements [0, out.size()) of a sample.
EDDY_API void keyed_normals(std::uint64_t seed, const NoiseKey& key, std::int64_t sample, std::span<float> out);
// A permutation of [0, n), n below 2^32.
EDDY_API std::vector<std::int64_t> keyed_permutation(std::uint64_t seed, const NoiseKey& key, std::int64_t n);

}  // namespace eddy::inline v0_1
