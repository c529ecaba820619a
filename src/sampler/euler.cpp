// Euler's method on the probability-flow ODE, with churn.
//
//   dx / dsigma = eps at alpha = 1                                              [Karras2022, Eq. 1 and 3]
//   x' = x + (sigma' - sigma) eps                                               [Karras2022, Alg. 2, line 8]
//
// For any levels x' = x + (alpha' - alpha) x0 + (sigma' - sigma) eps = alpha' x0 + sigma' eps: without churn this is DDIM at
// eta 0. diffusers evaluates the network before churn and carries its output over to the noisier x: options.x0_of_churned.
#include "sampler/churn.hpp"
#include "sampler/support.hpp"

namespace eddy::inline v0_1 {

namespace {

// The prediction that goes with the noisier x, from the one before.
Prediction carried_over(const EulerOptions& options, const Prediction& before, const Tensor& x, const Tensor& noisy,
                        const NoiseLevel& from, const NoiseLevel& noisier) {
  const Tensor x0 = options.x0_of_churned(before, x, noisy, from, noisier);
  return {x0, combine(1 / noisier.sigma, noisy, -noisier.alpha / noisier.sigma, x0), {}};
}

}  // namespace

Tensor sample_euler(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                    const EulerOptions& options) {
  check_steps("sample_euler", steps);
  check_churn("sample_euler", options);
  if (has_no_values("sample_euler", x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const NoiseLevel& from = steps[i].from;
    const NoiseLevel noisier = churned_level("sample_euler", from, steps.size(), options);
    Prediction p;
    if (noisier == from) {
      p = predicted("sample_euler", denoise, x, {&from, 1});
    } else {
      const Tensor z = noise.normal(x.shape(), {kStepNoise, i}, x.context());
      const Tensor noisy = churned(x, from, noisier, options.churn.s_noise, z);
      const bool carry = static_cast<bool>(options.x0_of_churned);
      p = predicted("sample_euler", denoise, carry ? x : noisy, {carry ? &from : &noisier, 1});
      if (carry) p = carried_over(options, p, x, noisy, from, noisier);
      x = noisy;
    }
    p = limited(p, options.clip, noisier);
    x = along(x, p, {noisier, steps[i].to});
    report("sample_euler", options, i, steps, x, [&] { return p.x0; });
  }
  return x;
}

}  // namespace eddy::inline v0_1
