// The operation on random Fourier features; the formulas are in fourier_embedding.hpp.
#include "ops/fourier_embedding.hpp"

#include "ops/support.hpp"

namespace eddy::inline v0_1 {

namespace {

enum Input { kT, kWeight };

Tensor forward(Call& call) {
  call.keep_input(kT);
  call.keep_input(kWeight);
  const Tensor t = call.input(kT), weight = call.input(kWeight);
  const std::int64_t channels = weight.extent(0);
  Tensor y = make({t.extent(0), 2 * channels}, t.context());
  fourier_features(t.extent(0), channels, data(t), data(weight), write(y));
  return y;
}

void vjp(Call& call, const Tensor& g, std::span<Tensor> result) {
  const Tensor t = call.input(kT), weight = call.input(kWeight);
  if (call.wants(kT)) result[kT] = make(t.shape(), t.context());
  if (call.wants(kWeight)) result[kWeight] = call.gradient_memory(kWeight);
  fourier_features_gradient(t.extent(0), weight.extent(0), data(t), data(weight), data(g), write(result[kT]),
                            write(result[kWeight]));
}

constexpr Operation kFourierEmbedding{"fourier_embedding", forward, vjp};

}  // namespace

Tensor fourier_embedding(const Tensor& t, const Tensor& weight) {
  require_f32(t, "fourier_embedding", "t");
  require_f32(weight, "fourier_embedding", "weight");
  require(t.rank() == 1 && weight.rank() == 1, "fourier_embedding",
          [&] { return "t must be (N) and weight (C), got " + shape_of(t) + " and " + shape_of(weight); });
  for (const float level : t.values()) {
    require(level > 0, "fourier_embedding",
            [&] { return "t must be positive, as its logarithm is taken, got " + std::to_string(level); });
  }
  return apply(kFourierEmbedding, {t, weight});
}

}  // namespace eddy::inline v0_1
