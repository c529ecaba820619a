// DDIM: a family of samplers, deterministic at eta = 0, ancestral DDPM at eta = 1.
//
//   x_s = alpha_s x0 + sqrt(sigma_s^2 - c^2) eps + c z                                [Song2021, Eq. 12]
//   c   = eta (sigma_s / sigma_t) sqrt(sigma_t^2 - (alpha_t / alpha_s)^2 sigma_s^2)   [Song2021, Eq. 16]
//
// t is the current level, s the next, less noisy one; z ~ N(0, I). The paper states Eq. 16 for alpha^2 + sigma^2 = 1 (and
// writes alpha for our alpha^2); this form also holds for VE and flow levels. Inversion is Eq. 12 with c = 0 towards noise.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "eddy/error.hpp"
#include "sampler/support.hpp"

namespace eddy::inline v0_1 {

Tensor ddim_step(const Prediction& p, std::span<const Step> steps, double eta, const Tensor& z) {
  if (!(eta >= 0) || eta > 1) throw Error("ddim_step: eta must be in [0, 1], got " + std::to_string(eta));
  const auto n = static_cast<std::size_t>(p.x0.defined() && p.x0.rank() > 0 ? p.x0.extent(0) : 0);
  if (steps.size() != 1 && steps.size() != n) {
    throw Error("ddim_step: needs one step, or one a sample (" + std::to_string(n) + "), got " + std::to_string(steps.size()));
  }
  std::vector<double> alpha, direction, deviation;
  for (const Step& step : steps) {
    const double c = eta == 0 ? 0 : eta * ancestral_deviation(step);  // Eq. 16
    alpha.push_back(step.to.alpha);
    direction.push_back(std::sqrt(std::max(0.0, step.to.sigma * step.to.sigma - c * c)));
    deviation.push_back(c);
  }
  const bool noisy = std::ranges::any_of(deviation, [](double c) { return c > 0; });
  if (noisy && !z.defined()) throw Error("ddim_step: eta above 0 needs z, the noise of the step");
  const bool one = steps.size() == 1;
  Tensor x = one ? combine(alpha[0], p.x0, direction[0], p.eps) : combine(alpha, p.x0, direction, p.eps);  // Eq. 12
  if (!noisy) return x;
  return one ? combine(1, x, deviation[0], z) : combine(std::vector<double>(steps.size(), 1.0), x, deviation, z);
}

namespace {

Tensor run(const char* name, const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource* noise,
           const DdimOptions& options) {
  if (has_no_values(name, x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    Prediction p = predicted(name, denoise, x, {&steps[i].from, 1});
    const Tensor x0 = clipped(p.x0, options.clip);  // eps stays the network's own unless asked
    if (options.use_clipped_model_output) p.eps = matching_eps(p, x0, steps[i].from);
    const bool noisy = options.eta > 0 && ancestral_deviation(steps[i]) > 0;
    const Tensor z = noisy ? noise->normal(x.shape(), {kStepNoise, i}, x.context()) : Tensor{};
    x = ddim_step({x0, p.eps, {}}, steps.subspan(i, 1), options.eta, z);
    report(name, options, i, steps, x, [&] { return x0; });
  }
  return x;
}

}  // namespace

Tensor sample_ddim(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                   const DdimOptions& options) {
  check_steps("sample_ddim", steps);
  if (!(options.eta >= 0) || options.eta > 1) throw Error("sample_ddim: eta must be in [0, 1]");
  return run("sample_ddim", denoise, std::move(x), steps, &noise, options);
}

Tensor invert_ddim(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const DdimOptions& options) {
  check_steps("invert_ddim", steps, false);
  if (options.eta != 0) throw Error("invert_ddim: eta must be 0");
  return run("invert_ddim", denoise, std::move(x), steps, nullptr, options);
}

}  // namespace eddy::inline v0_1
