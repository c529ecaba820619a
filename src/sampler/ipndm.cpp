// iPNDM: PNDM's multistep method whose first steps are of orders 1, 2 and 3, so that each step costs one evaluation.
//
//   e  = AB(eps_t, eps_{t+1}, ...),  weights of Adams and Bashforth       [Zhang2023; Liu2022, 3]
//   x0 = (x_t - sigma_t e) / alpha_t,   x_s = alpha_s x0 + sigma_s e
//
// At alpha = 0 only the network's own x0 means anything, and the step is DDIM's.
#include <algorithm>
#include <string>

#include "eddy/error.hpp"
#include "sampler/adams_bashforth.hpp"
#include "sampler/support.hpp"

namespace eddy::inline v0_1 {

Tensor sample_ipndm(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource&,
                    const IpndmOptions& options) {
  check_steps("sample_ipndm", steps);
  if (!(options.least_alpha >= 0)) throw Error("sample_ipndm: least_alpha must not be negative");
  if (has_no_values("sample_ipndm", x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  AdamsBashforth past;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& [from, to] = steps[i];
    const Prediction p = predicted("sample_ipndm", denoise, x, {&from, 1});
    past.add(p.eps);
    const double alpha = std::max(from.alpha, options.least_alpha);
    const Tensor e = alpha > 0 ? past.combined() : p.eps;
    const Tensor x0 = clipped(alpha > 0 ? affine(combine(1, x, -from.sigma, e), 1 / alpha) : p.x0, options.clip);
    x = combine(to.alpha, x0, to.sigma, e);
    report("sample_ipndm", options, i, steps, x, [&] { return x0; });
  }
  return x;
}

}  // namespace eddy::inline v0_1
