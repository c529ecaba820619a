// DDPM: ancestral sampling from the posterior q(x_s | x_t, x0).
//
//   mean   = (alpha_s beta / sigma_t^2) x0 + (r sigma_s^2 / sigma_t^2) x_t,  r = alpha_t / alpha_s       [Ho2020, Eq. 7]
//   beta   = sigma_t^2 - r^2 sigma_s^2 (of this step, at alpha^2 + sigma^2 = 1: 1 - r^2)
//   beta~  = beta sigma_s^2 / sigma_t^2                          fixed_small; fixed_large: beta        [Ho2020, 3.2]
//   ln variance = (1 + v) / 2 ln beta + (1 - v) / 2 ln beta~     learned_range, v in [-1, 1]           [Nichol2021, Eq. 15]
//
// t is the current level, s the next, less noisy one. beta~ is limited from below to 1e-20, as diffusers has it.
#include <algorithm>
#include <cmath>
#include <string>

#include "eddy/error.hpp"
#include "sampler/support.hpp"

namespace eddy::inline v0_1 {

namespace {

struct Posterior {
  double of_x0, of_x, beta, beta_small;
};

Posterior posterior(const Step& step) {
  const auto& [t, s] = step;
  const double r = t.alpha / s.alpha, var_t = t.sigma * t.sigma, var_s = s.sigma * s.sigma;
  const double beta = var_t - r * r * var_s;
  return {s.alpha * beta / var_t, r * var_s / var_t, beta, std::max(beta * var_s / var_t, 1e-20)};
}

bool is_learned(Variance v) { return v != Variance::fixed_small && v != Variance::fixed_large; }

Tensor root(const Tensor& variance) {
  Tensor result = variance.clone();
  for (float& v : result.mutable_values()) {
    if (!(v >= 0)) throw Error("sample_ddpm: a learned variance must not be negative, got " + std::to_string(v));
    v = std::sqrt(v);
  }
  return result;
}

// z times the deviation of the step.
Tensor scaled_noise(const Tensor& z, const Posterior& q, const DdpmOptions& options, const Prediction& p) {
  switch (options.variance) {
    case Variance::learned_range: {
      const double high = std::log(q.beta), low = std::log(q.beta_small);
      const Tensor half_log = affine(p.variance, (high - low) / 4, (high + low) / 4);  // ln deviation
      return mul(exp(half_log), z);
    }
    case Variance::learned:
      return mul(root(p.variance), z);
    case Variance::learned_log:
      return mul(exp(affine(p.variance, 0.5)), z);
    default:
      return affine(z, std::sqrt(options.variance == Variance::fixed_large ? q.beta : q.beta_small));
  }
}

}  // namespace

Tensor sample_ddpm(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                   const DdpmOptions& options) {
  check_steps("sample_ddpm", steps);
  if (has_no_values("sample_ddpm", x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (!(steps[i].from.sigma > 0) || !(steps[i].to.alpha > 0)) {
      throw Error("sample_ddpm: step " + std::to_string(i) + " must begin where sigma is above 0 and end where alpha is: " +
                  "there is no posterior otherwise");
    }
    const Prediction p = predicted("sample_ddpm", denoise, x, {&steps[i].from, 1});
    if (is_learned(options.variance) && !p.variance.defined()) {
      throw Error("sample_ddpm: a learned variance needs a network with twice x's channels");
    }
    const Tensor x0 = clipped(p.x0, options.clip);
    const Posterior q = posterior(steps[i]);
    x = combine(q.of_x0, x0, q.of_x, x);
    if (q.beta > 0 && (steps[i].to.sigma > 0 || options.noise_at_end)) {
      x = add(x, scaled_noise(noise.normal(x.shape(), {kStepNoise, i}, x.context()), q, options, p));
    }
    report("sample_ddpm", options, i, steps, x, [&] { return x0; });
  }
  return x;
}

}  // namespace eddy::inline v0_1
