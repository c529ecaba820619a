// Classifier-free guidance: u + scale (c - u), [Ho2022, Eq. 6] with scale = 1 + w. x0 and eps are linear in each other, so
// guiding both is one guidance.
#include "eddy/denoiser.hpp"
#include "eddy/ops.hpp"

namespace eddy::inline v0_1 {

Denoiser classifier_free_guidance(Denoiser conditional, Denoiser unconditional, double scale) {
  return [=](const Tensor& x, std::span<const NoiseLevel> levels) -> Prediction {
    const Prediction c = conditional(x, levels);
    if (scale == 1) return c;
    const Prediction u = unconditional(x, levels);
    return {combine(scale, c.x0, 1 - scale, u.x0), combine(scale, c.eps, 1 - scale, u.eps), c.variance};
  };
}

}  // namespace eddy::inline v0_1
