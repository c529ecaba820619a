// The operation on sinusoids of t; the formulas are in timestep_embedding.hpp.
#include "ops/timestep_embedding.hpp"

#include "ops/support.hpp"

namespace eddy::inline v0_1 {

namespace {

Tensor forward(Call& call) {
  call.keep_input(0);
  const auto& o = call.attributes<TimestepEmbeddingOptions>();
  const Tensor t = call.input(0);
  Tensor y = Tensor::zeros({t.extent(0), o.channels}, t.context());
  Sinusoids<float>(o).forward(t.extent(0), data(t), write(y));
  return y;
}

void vjp(Call& call, const Tensor& g, std::span<Tensor> result) {
  const Tensor t = call.input(0);
  result[0] = make(t.shape(), t.context());
  Sinusoids<float>(call.attributes<TimestepEmbeddingOptions>()).backward(t.extent(0), data(t), data(g), write(result[0]));
}

constexpr Operation kTimestepEmbedding{"timestep_embedding", forward, vjp};

}  // namespace

Tensor timestep_embedding(const Tensor& t, const TimestepEmbeddingOptions& o) {
  require_f32(t, "timestep_embedding", "t");
  require(t.rank() == 1, "timestep_embedding", [&] { return "t must be (N), got " + shape_of(t); });
  require(o.channels >= 2 && o.channels / 2 > o.freq_shift && o.max_period > 1, "timestep_embedding",
          [] { return "needs at least 2 channels, a freq_shift below half of them and a max_period above 1"; });
  return apply(kTimestepEmbedding, {t}, attributes(o));
}

}  // namespace eddy::inline v0_1
