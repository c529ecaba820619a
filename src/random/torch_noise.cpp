// Noise as PyTorch draws it on the CPU: streams, made to answer by key.
//
// One stream for all samples, or one for each [diffusers' randn_tensor with a list of generators]. Of each key a stream keeps the
// state of its generator before the key's tensor (2.5 kB), and draws the tensor again for other rows.
#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>

#include "eddy/error.hpp"
#include "random/torch_generator.hpp"
#include "tensor/storage.hpp"

namespace eddy::inline v0_1 {

namespace {

class Stream {
 public:
  Stream(std::uint64_t seed, TorchVariant variant) : next_(seed, variant) {}

  void draw(const NoiseKey& key, std::span<float> out) {
    std::unique_lock lock(mutex_);
    const auto [found, is_new] = before_.try_emplace({static_cast<std::uint32_t>(key.purpose), key.step, key.substep}, next_);
    if (is_new) {
      next_.randn(out);
      return;
    }
    TorchGenerator::State again = found->second;
    lock.unlock();
    again.randn(out);
  }

  // torch.randint(0, 2 ** 63 - 1, []), once.
  std::uint64_t entropy() {
    const std::lock_guard lock(mutex_);
    if (!entropy_) entropy_ = static_cast<std::uint64_t>(next_.randint(0, 0x7fffffffffffffff));
    return *entropy_;
  }

 private:
  using Id = std::tuple<std::uint32_t, std::uint64_t, std::uint32_t>;
  std::mutex mutex_;
  TorchGenerator::State next_;
  std::map<Id, TorchGenerator::State> before_;
  std::optional<std::uint64_t> entropy_;
};

// (C, H, W) rows to (H, W, C); other ranks as they are.
void copy_rows(const float* in, const Shape& shape, std::int64_t rows, float* out) {
  const std::int64_t row = shape.elements() / shape[0];
  if (shape.rank() != 4) {
    std::copy_n(in, rows * row, out);
    return;
  }
  const std::int64_t pixels = shape[1] * shape[2], channels = shape[3];
  for (std::int64_t n = 0; n < rows; ++n) {
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t p = 0; p < pixels; ++p) out[(n * pixels + p) * channels + c] = *in++;
    }
  }
}

class TorchSource final : public NoiseSource::Source {
 public:
  TorchSource(std::span<const std::uint64_t> seeds, std::int64_t rows_each, TorchVariant variant)
      : rows_each_(rows_each), variant_(variant) {
    for (const std::uint64_t seed : seeds) streams_.push_back(std::make_unique<Stream>(seed, variant));
  }

  Tensor normal(const Shape& shape, const NoiseKey& key, std::int64_t first, const Context& context) override {
    return gather(shape, first, rows_each_, context,
                  [&](std::size_t stream, std::span<float> out) { streams_[stream]->draw(key, out); });
  }

  Tensor brownian(const Shape& shape, const BrownianKey& key, std::int64_t first, const Context& context) override {
    // sigma is float32 there, and so are the difference and its root.
    const auto from = static_cast<float>(key.from), to = static_cast<float>(key.to);
    const auto low = static_cast<double>(static_cast<float>(key.low)), high = static_cast<double>(static_cast<float>(key.high));
    const float root = std::sqrt(std::abs(to - from));
    if (!(root > 0)) throw Error("torch noise: the two levels of a Brownian path are one, " + std::to_string(key.from));
    return gather(shape, first, key.seed ? num() : rows_each_, context, [&](std::size_t stream, std::span<float> out) {
      const TorchBrownianTree tree(key.seed ? *key.seed : streams_[stream]->entropy(), low, high, variant_);
      tree.increment(static_cast<double>(from), static_cast<double>(to), out);
      for (float& w : out) w /= root;
    });
  }

 private:
  std::int64_t num() const { return rows_each_ * static_cast<std::int64_t>(streams_.size()); }

  // Rows [first, first + n) of tensors of rows_each rows, each filled whole by fill(its index, values in N, C, H, W order).
  template <class F>
  Tensor gather(const Shape& shape, std::int64_t first, std::int64_t rows_each, const Context& context, const F& fill) const {
    if (shape.rank() == 0 || first < 0 || first + shape[0] > num()) {
      throw Error("torch noise: made for " + std::to_string(num()) + " samples, asked for " + to_string(shape) + " from " +
                  std::to_string(first) + " on");
    }
    Tensor result = Tensor::uninitialised(shape, DType::f32, context);
    if (shape.elements() == 0) return result;
    const std::int64_t row = shape.elements() / shape[0], end = first + shape[0];
    const Tensor all = Tensor::uninitialised({rows_each, row}, DType::f32, context);
    float* const values = Tensor::Access::write(all);
    for (std::int64_t at = first; at < end;) {
      const std::int64_t tensor = at / rows_each, rows = std::min(end, (tensor + 1) * rows_each) - at;
      fill(static_cast<std::size_t>(tensor), {values, static_cast<std::size_t>(rows_each * row)});
      copy_rows(values + (at - tensor * rows_each) * row, shape, rows, Tensor::Access::write(result) + (at - first) * row);
      at += rows;
    }
    return result;
  }

  std::vector<std::unique_ptr<Stream>> streams_;
  std::int64_t rows_each_;
  TorchVariant variant_;
};

}  // namespace

NoiseSource torch_cpu_noise(std::uint64_t seed, std::int64_t num, TorchVariant variant) {
  if (num < 1) throw Error("torch noise: num must be positive, got " + std::to_string(num));
  return NoiseSource(std::make_shared<TorchSource>(std::span(&seed, 1), num, variant));
}

NoiseSource torch_cpu_noise(std::vector<std::uint64_t> seeds, TorchVariant variant) {
  if (seeds.empty()) throw Error("torch noise: needs a seed for each sample, got none");
  return NoiseSource(std::make_shared<TorchSource>(seeds, 1, variant));
}

}  // namespace eddy::inline v0_1
