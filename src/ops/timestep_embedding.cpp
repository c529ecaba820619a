// Sinusoids of t [Vaswani2017, 3.5].
//
//   angle_i = t exp(-ln(max_period) i / (half - freq_shift)),  i in [0, half),  half = channels / 2
//   y = [sin, cos], or [cos, sin];  dt = sum_i f_i (cos dsin_i - sin dcos_i)
//
// Frequencies and angles are rounded to float32 as torch has them; sine and cosine are taken in double.
#include <cmath>
#include <vector>

#include "ops/support.hpp"

namespace eddy::inline v0_1 {

namespace {

std::vector<float> frequencies(const TimestepEmbeddingOptions& o) {
  const int half = o.channels / 2;
  std::vector<float> result(static_cast<std::size_t>(half));
  for (int i = 0; i < half; ++i) {
    const float exponent = static_cast<float>(-std::log(o.max_period)) * static_cast<float>(i);
    result[static_cast<std::size_t>(i)] = std::exp(exponent / static_cast<float>(half - o.freq_shift));
  }
  return result;
}

Tensor forward(Call& call) {
  call.keep_input(0);
  const auto& o = call.attributes<TimestepEmbeddingOptions>();
  const Tensor t = call.input(0);
  const std::vector<float> f = frequencies(o);
  const auto half = static_cast<std::int64_t>(f.size());
  Tensor y = Tensor::zeros({t.extent(0), o.channels}, t.context());
  const std::int64_t sin_at = o.flip_sin_to_cos ? half : 0, cos_at = o.flip_sin_to_cos ? 0 : half;
  for (std::int64_t n = 0; n < t.extent(0); ++n) {
    float* row = write(y) + n * o.channels;
    for (std::int64_t i = 0; i < half; ++i) {
      const double angle = data(t)[n] * f[static_cast<std::size_t>(i)];
      row[sin_at + i] = static_cast<float>(std::sin(angle));
      row[cos_at + i] = static_cast<float>(std::cos(angle));
    }
  }
  return y;
}

void vjp(Call& call, const Tensor& g, std::span<Tensor> result) {
  const auto& o = call.attributes<TimestepEmbeddingOptions>();
  const Tensor t = call.input(0);
  const std::vector<float> f = frequencies(o);
  const auto half = static_cast<std::int64_t>(f.size());
  const std::int64_t sin_at = o.flip_sin_to_cos ? half : 0, cos_at = o.flip_sin_to_cos ? 0 : half;
  result[0] = make(t.shape(), t.context());
  for (std::int64_t n = 0; n < t.extent(0); ++n) {
    const float* row = data(g) + n * o.channels;
    double total = 0;
    for (std::int64_t i = 0; i < half; ++i) {
      const float frequency = f[static_cast<std::size_t>(i)];
      const double angle = data(t)[n] * frequency;
      total += frequency * (std::cos(angle) * row[sin_at + i] - std::sin(angle) * row[cos_at + i]);
    }
    write(result[0])[n] = static_cast<float>(total);
  }
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
