// Multistep consistency sampling: jump to the end of the path, then back up with new noise.
//
//   f   = x0, or c_skip x / k + c_out x0,  k = sqrt(alpha_t^2 + sigma_t^2)                    [Luo2023]
//   x_s = alpha_s f + sigma_s z,           z ~ N(0, I)                                        [Song2023, Alg. 1]
//
// The paper's Algorithm 1 goes to sqrt(tau^2 - sigma_min^2), because f ends at sigma_min: that is the `to` of a step there.
#include <cmath>

#include "eddy/error.hpp"
#include "sampler/support.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr double kSigmaData = 0.5;

Tensor with_boundary(const Tensor& x, const Tensor& x0, const NoiseLevel& level, double scaling) {
  if (scaling == 0) return x0;
  const double u = scaling * level.t, square = u * u + kSigmaData * kSigmaData;
  const double c_skip = kSigmaData * kSigmaData / square, c_out = u / std::sqrt(square);
  return combine(c_out, x0, c_skip / std::hypot(level.alpha, level.sigma), x);
}

}  // namespace

Tensor sample_consistency(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                          const ConsistencyOptions& options) {
  check_steps("sample_consistency", steps);
  if (!(options.timestep_scaling >= 0 && options.noise_scale >= 0)) {
    throw Error("sample_consistency: timestep_scaling and noise_scale must not be negative");
  }
  if (has_no_values("sample_consistency", x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& [from, to] = steps[i];
    const Tensor x0 = predicted_x0("sample_consistency", denoise, x, {&from, 1});
    const Tensor f = with_boundary(x, clipped(x0, options.clip), from, options.timestep_scaling);
    const double c = to.sigma * options.noise_scale;
    x = c > 0 ? combine(to.alpha, f, c, noise.normal(x.shape(), {kStepNoise, i}, x.context())) : affine(f, to.alpha);
    report("sample_consistency", options, i, steps, x, [&] { return f; });
  }
  return x;
}

}  // namespace eddy::inline v0_1
