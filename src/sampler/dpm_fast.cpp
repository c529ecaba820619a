// DPM-Solver-fast: single steps of orders 1 to 3 (dpm_solver_step.hpp) over a list, as k-diffusion has it, with ancestral noise:
// the deterministic step ends at down <= r', then noise of deviation sqrt(r'^2 - down^2) [Lu2022, 3.3; Song2021, Eq. 16].
//
// `down` is limited from below by the last level's ratio, as in k-diffusion: the last step has no noise.
#include <algorithm>
#include <cmath>
#include <string>

#include "eddy/error.hpp"
#include "sampler/dpm_solver_step.hpp"

namespace eddy::inline v0_1 {

std::vector<int> dpm_fast_orders(int evaluations) {
  if (evaluations < 1 || evaluations > 1'000'000) {
    throw Error("dpm_fast_orders: the number of evaluations must be from 1 to 1000000, got " + std::to_string(evaluations));
  }
  std::vector<int> orders(static_cast<std::size_t>(evaluations / 3), 3);
  if (evaluations % 3 != 0) {
    orders.push_back(evaluations % 3);
  } else {
    orders.back() = 2;
    orders.push_back(1);
  }
  return orders;
}

Tensor sample_dpm_fast(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                       const DpmFastOptions& options) {
  const char* const name = "sample_dpm_fast";
  check_stochastic(name, steps, options);
  const std::vector<int> orders = options.orders.empty() ? std::vector<int>(steps.size(), 3) : options.orders;
  if (orders.size() != steps.size() || !std::ranges::all_of(orders, [](int o) { return o >= 1 && o <= 3; })) {
    throw Error("sample_dpm_fast: orders must be 1, 2 or 3, one for each of the " + std::to_string(steps.size()) + " steps");
  }
  if (!(steps.back().to.sigma > 0)) throw Error("sample_dpm_fast: the last level must have sigma above 0");
  if (has_no_values(name, x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  const double last = ratio(steps.back().to);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& [from, to] = steps[i];
    const double end = ratio(to), down = std::max(last, ancestral_step(ratio(from), end, options.eta).down);
    const double lambda = -std::log(down);
    DpmSolverStep step(name, denoise, options, options.level_at, affine(x, 1 / from.alpha), {-std::log(ratio(from))});
    x = affine(step.advanced(orders[i], {&lambda, 1}, orders[i] == 2 ? 1.0 / 2 : 1.0 / 3), to.alpha);
    const double deviation = to.alpha * std::sqrt(std::max(0.0, (end - down) * (end + down))) * options.s_noise;
    if (options.eta > 0 && deviation > 0) {
      x = combine(1, x, deviation, noise.normal(x.shape(), {kStepNoise, i}, x.context()));
    }
    report(name, options, i, steps, x, [&] { return step.x0(); });
  }
  return x;
}

}  // namespace eddy::inline v0_1
