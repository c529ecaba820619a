// Samplers that begin with a picture.
#include "pipeline/scheduler/recipe.hpp"

namespace eddy::inline v0_1 {

namespace {

Tensor in_place_of(const Tensor& x, const Tensor& picture) {
  bool fits = picture.rank() == x.rank() && x.rank() > 0 && (picture.extent(0) == 1 || picture.extent(0) == x.extent(0));
  for (int d = 1; fits && d < x.rank(); ++d) fits = picture.extent(d) == x.extent(d);
  if (!fits) {
    throw Error("sampling_of: the picture must have x's shape, one for all or one a sample; x has " + to_string(x.shape()) +
                ", the picture " + to_string(picture.shape()));
  }
  Tensor result = Tensor::uninitialised(x.shape(), DType::f32, x.context());
  const std::span<float> to = result.mutable_values();
  const std::span<const float> from = picture.values();
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = from[i % from.size()];
  return result;
}

}  // namespace

Sampler begun_with(const Tensor& picture, Sampler sampler) {
  if (!picture.defined()) return sampler;
  return [=](const Denoiser& denoise, const Tensor& x, std::span<const Step> steps, const NoiseSource& noise,
             const SamplerOptions& call) { return sampler(denoise, in_place_of(x, picture), steps, noise, call); };
}

}  // namespace eddy::inline v0_1
