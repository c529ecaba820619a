// Heun's method on the probability-flow ODE, with churn [Karras2022, Alg. 2].
//
//   x1 = x + (alpha' - alpha) x0 + (sigma' - sigma) eps              Euler's step; the step itself where sigma' = 0
//   x' = x + (alpha' - alpha) (x0 + x0') / 2 + (sigma' - sigma) (eps + eps') / 2
//
// x0', eps' are predicted at x1 and the step's end. At alpha = 1 that is the paper's; between flow levels it is Heun's method
// in t, as flow matching has it. Where alpha bends, the path between two levels is taken straight: order 2 all the same.
#include "sampler/churn.hpp"
#include "sampler/support.hpp"

namespace eddy::inline v0_1 {

Tensor sample_heun(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                   const ChurnOptions& options) {
  check_steps("sample_heun", steps);
  check_churn("sample_heun", options);
  if (has_no_values("sample_heun", x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& [from, to] = steps[i];
    const NoiseLevel noisier = churned_level("sample_heun", from, steps.size(), options);
    if (noisier != from) {
      x = churned(x, from, noisier, options.churn.s_noise, noise.normal(x.shape(), {kStepNoise, i}, x.context()));
    }
    const Step step{noisier, to};
    Prediction p = limited(predicted("sample_heun", denoise, x, {&noisier, 1}), options.clip, noisier);
    Tensor next = along(x, p, step);
    if (to.sigma > 0) {
      const Prediction q = limited(predicted("sample_heun", denoise, next, {&to, 1}), options.clip, to);
      p = {combine(0.5, p.x0, 0.5, q.x0), combine(0.5, p.eps, 0.5, q.eps), {}};
      next = along(x, p, step);
    }
    x = next;
    report("sample_heun", options, i, steps, x, [&] { return p.x0; });
  }
  return x;
}

}  // namespace eddy::inline v0_1
