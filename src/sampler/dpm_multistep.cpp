// DPM-Solver and DPM-Solver++, multistep: the derivatives of x0 (or eps) in lambda come from the last two or three evaluations.
//
//   m' and m'' from the polynomial through m_i, m_{i-1}, m_{i-2}; the step is that of sampler/exponential.hpp
//   order 2   heun:      weight(2) h m'
//             midpoint:  weight(1) / 2 h m'                                               [Lu2022b, Alg. 2: "2M"]
//   order 3   weight(2) h m' + weight(3) h^2 m''
//
// k-diffusion's dpmpp_2m is order 2, midpoint. diffusers and k-diffusion take half of m'' in order 3, which leaves order 2, and
// in the SDE diffusers has a wrong sign in its weight too: `diffusers_third_order` does so.
// Not here: k-diffusion's Brownian noise.
#include <cmath>
#include <string>

#include "eddy/error.hpp"
#include "sampler/dpm.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr std::size_t kFewSteps = 15;  // of the paper's code: below, the end is made of lower order

int order_of(std::size_t i, std::size_t n, const DpmMultistepOptions& o) {
  const bool few = o.lower_order_final && n + o.steps_before < kFewSteps;
  const int order = static_cast<int>(std::min<std::size_t>(static_cast<std::size_t>(o.order), i + 1));
  if (i + 1 == n && (few || o.euler_at_final)) return 1;
  return i + 2 == n && few ? std::min(order, 2) : order;
}

// Of the values, newest first, beyond order 1.
std::vector<double> weights(const ExponentialStep& step, std::span<const Seen> values, int order, const DpmMultistepOptions& o) {
  if (order == 1 || step.jumps()) return {};
  const double h = step.h();
  const Polynomial p = interpolate(values, order);
  const double of_slope = order == 2 && o.second_order == SecondOrder::midpoint ? step.weight(1) / 2 : step.weight(2);
  double of_curvature = 2 * step.weight(3);  // m'' is twice the curvature
  if (o.diffusers_third_order) of_curvature = diffusers_third_weight(step, o.integrand, o.eta);
  std::vector<double> w;
  for (std::size_t j = 0; j < p.slope.size(); ++j) {
    w.push_back(of_slope * h * p.slope[j] + of_curvature * h * h * p.curvature[j]);
  }
  return w;
}

}  // namespace

double diffusers_third_weight(const ExponentialStep& step, Integrand integrand, double eta) {
  if (integrand == Integrand::eps || eta == 0) return step.weight(3);
  return step.scale() * (phi(2, step.argument()) + 0.5);
}

void check_dpm(const char* name, int order, double eta) {
  if (order < 1 || order > 3) throw Error(std::string(name) + ": order must be 1, 2 or 3, got " + std::to_string(order));
  if (!(eta >= 0) || !std::isfinite(eta)) {
    throw Error(std::string(name) + ": eta must be finite and at least 0, got " + std::to_string(eta));
  }
}

Tensor run_multistep(const char* name, const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource* noise,
                     const DpmMultistepOptions& options) {
  check_dpm(name, options.order, options.eta);
  if (has_no_values(name, x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  std::vector<Seen> values;  // newest first
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& [from, to] = steps[i];
    const Prediction p = limited(predicted(name, denoise, x, {&from, 1}), options.clip, from);
    values.insert(values.begin(), {half_log_snr(from), options.integrand == Integrand::x0 ? p.x0 : p.eps});
    values.resize(std::min(values.size(), static_cast<std::size_t>(options.order)));
    const ExponentialStep step(options.integrand, options.eta, from, to);
    const Tensor z = step.of_noise() > 0 ? noise->normal(x.shape(), {kStepNoise, i}, x.context()) : Tensor{};
    const int order = distinct(values, order_of(i, steps.size(), options));
    x = stepped(step, p, weights(step, values, order, options), values, z);
    report(name, options, i, steps, x, [&] { return p.x0; });
  }
  return x;
}

Tensor sample_dpm_multistep(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                            const DpmMultistepOptions& options) {
  check_steps("sample_dpm_multistep", steps);
  return run_multistep("sample_dpm_multistep", denoise, std::move(x), steps, &noise, options);
}

Tensor invert_dpm_multistep(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const DpmMultistepOptions& options) {
  check_steps("invert_dpm_multistep", steps, false);
  if (options.eta != 0) throw Error("invert_dpm_multistep: eta must be 0, got " + std::to_string(options.eta));
  return run_multistep("invert_dpm_multistep", denoise, std::move(x), steps, nullptr, options);
}

}  // namespace eddy::inline v0_1
