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
#include <optional>
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
  kBrownian,
  kUser = 128
};

struct NoiseKey {
  NoiseKey(Purpose p, std::uint64_t step_ = 0, std::uint32_t substep_ = 0) noexcept  // NOLINT: a purpose is a key
      : purpose(p), step(step_), substep(substep_) {}
  Purpose purpose;
  std::uint64_t step;     // below 2^32
  std::uint32_t substep;  // below 2^24
};

// A piece of a Brownian path W over the noise level, scaled to a standard normal: (W(to) - W(from)) / sqrt(|to - from|). The
// same two levels always give the same piece, and pieces of disjoint intervals are independent.
struct BrownianKey {
  NoiseKey key;      // of the step; sources without paths may draw this instead
  double from, to;   // not negative
  double low, high;  // the ends of the path that is asked about: torch's tree hangs between them, ours needs no ends
  std::optional<std::uint64_t> seed{};  // of the path; none: the source's own
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
    // Unless it says otherwise: by Levy's construction from its own normals under kBrownian, or from philox_noise(key.seed).
    virtual Tensor brownian(const Shape& shape, const BrownianKey& key, std::int64_t first_sample, const Context& context);
  };

  explicit NoiseSource(std::shared_ptr<Source> source, std::int64_t first_sample = 0);
  Tensor normal(const Shape& shape, const NoiseKey& key, const Context& context = {}) const;
  // Throws Error for levels that are negative, not finite, or one (nearer than 2^-20 of their size).
  Tensor brownian(const Shape& shape, const BrownianKey& key, const Context& context = {}) const;
  // The same source for a batch whose first row is this sample.
  NoiseSource from_sample(std::int64_t first_sample) const;
  // The same source for this row of the batch and those behind it.
  NoiseSource from_row(std::int64_t row) const;

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
//
// Its Brownian paths are those of DPMSolverSDEScheduler and of k-diffusion's BrownianTreeNoiseSampler: one TorchBrownianTree for
// all `num` samples, whose entropy is the stream's randint(0, 2^63 - 1) at the first question, as after torch.manual_seed(seed).
EDDY_API NoiseSource torch_cpu_noise(std::uint64_t seed, std::int64_t num, TorchVariant variant = TorchVariant::a);
// A generator for each sample, as diffusers' randn_tensor draws with a list of generators: sample i is drawn from seeds[i] alone.
// A tree for each sample then, its entropy from the sample's own generator (diffusers would ask the global one).
EDDY_API NoiseSource torch_cpu_noise(std::vector<std::uint64_t> seeds, TorchVariant variant = TorchVariant::a);

// The generator behind it.
class EDDY_API TorchGenerator {
 public:
  explicit TorchGenerator(std::uint64_t seed, TorchVariant variant = TorchVariant::a);
  // torch.randn of as many float32 elements.
  void randn(std::span<float> out);
  // torch.randint(low, high): from low to high - 1. Throws Error for a high that is not above low.
  std::int64_t randint(std::int64_t low, std::int64_t high);
  // torch.randperm(n). Throws Error for an n outside [0, 2^32 / 20), where PyTorch draws otherwise.
  std::vector<std::int64_t> randperm(std::int64_t n);

  struct State;

 private:
  std::shared_ptr<State> state_;
};

// torchsde's BrownianTree on the CPU (tol 1e-6, pool_size 24), bit for bit: levels are rounded to 1e-6, the interval is halved
// down to them, and each halving draws torch.randn from a generator of its own, seeded by numpy's SeedSequence of entropy and
// place. What was asked before changes nothing.
class EDDY_API TorchBrownianTree {
 public:
  // Throws Error unless 0 <= low < high < 2^32, and they differ by 1e-6 when rounded.
  TorchBrownianTree(std::uint64_t entropy, double low, double high, TorchVariant variant = TorchVariant::a);
  // W(to) - W(from) of as many values as `out` has; levels are limited to [low, high]. The size is part of the numbers.
  void increment(double from, double to, std::span<float> out) const;

 private:
  struct Node;
  struct Query;
  void visit(const Node& node, std::vector<float> w, double from, double to, Query& query) const;
  std::uint64_t entropy_;
  double low_, high_, scale_;
  TorchVariant variant_;
};

// numpy.random.SeedSequence(entropy, spawn_key=key, pool_size=pool_size).generate_state(count). Throws Error for a pool_size
// below 4.
EDDY_API std::vector<std::uint32_t> seed_sequence(std::uint64_t entropy, std::span<const std::uint64_t> key, int pool_size,
                                                  int count);

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
