// DPM-Solver and DPM-Solver++, single step: blocks of 1, 2 or 3 steps of the list; each step of a block starts again from
// the block's first x, with the evaluations of the block so far.
//
//   first step of a block of the list    order 1 from x_b
//   second   order 2 from x_b: m' from the two; heun or midpoint as in the multistep method      [Lu2022b, Alg. 1: "2S"]
//   third    order 3 from x_b: midpoint: m' from the first and the last; heun: m' and m'' from the three        [Lu2022, Alg. 2]
//
// The list's own levels are the places inside a block; the paper puts them at fractions of h. The SDE draws new noise each time,
// as in diffusers. `diffusers_third_order` is that of the multistep method; here only the SDE differs.
#include <string>

#include "eddy/error.hpp"
#include "sampler/dpm.hpp"

namespace eddy::inline v0_1 {

namespace {

// Of the values of the block, oldest first, beyond order 1.
std::vector<double> weights(const ExponentialStep& step, std::span<const Seen> values, int order, const DpmSinglestepOptions& o) {
  if (order == 1) return {};
  const double h = step.h();
  const bool midpoint = o.second_order == SecondOrder::midpoint;
  if (order == 3 && midpoint) {  // the middle value is not used
    const Polynomial line = interpolate(std::vector<Seen>{values[0], values[2]}, 2);
    return {step.weight(2) * h * line.slope[0], 0, step.weight(2) * h * line.slope[1]};
  }
  const Polynomial p = interpolate(values, order);
  const double of_slope = order == 2 && midpoint ? step.weight(1) / 2 : step.weight(2);
  const double third = o.diffusers_third_order ? diffusers_third_weight(step, o.integrand, o.eta) : step.weight(3);
  std::vector<double> w;
  for (std::size_t j = 0; j < p.slope.size(); ++j) {
    w.push_back(of_slope * h * p.slope[j] + 2 * third * h * h * p.curvature[j]);
  }
  return w;
}

}  // namespace

// [1, 2, 3] again and again; what is left at the end is of lower order, and the last step of order 1 where it can be.
std::vector<int> singlestep_orders(int steps, int order, bool lower_order_final) {
  if (steps < 1) throw Error("singlestep_orders: there must be at least one step, got " + std::to_string(steps));
  check_dpm("singlestep_orders", order, 0);
  std::vector<int> orders;
  for (int i = 0; i < steps; ++i) orders.push_back(i % order + 1);
  if (!lower_order_final && steps % order != 0) {
    throw Error("singlestep_orders: without lower_order_final the number of steps must be a multiple of the order " +
                std::to_string(order) + ", got " + std::to_string(steps));
  }
  if (lower_order_final && steps % order == 0) orders.back() = 1;
  return orders;
}

Tensor sample_dpm_singlestep(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                             const DpmSinglestepOptions& options) {
  const char* const name = "sample_dpm_singlestep";
  check_steps(name, steps);
  check_dpm(name, options.order, options.eta);
  const std::size_t before = options.steps_before;
  const std::vector<int> orders =
      singlestep_orders(static_cast<int>(before + steps.size()), options.order, options.lower_order_final);
  if (has_no_values(name, x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  NoiseLevel begin{};
  Prediction first;
  std::vector<Seen> values;  // of this block, oldest first
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& [from, to] = steps[i];
    const Prediction p = limited(predicted(name, denoise, x, {&from, 1}), options.clip, from);
    const int order = orders[before + i];
    if (order == 1 || i == 0 || ExponentialStep(options.integrand, options.eta, begin, to).jumps()) {
      begin = from;
      first = p;
      values.clear();
    }
    values.push_back({half_log_snr(from), options.integrand == Integrand::x0 ? p.x0 : p.eps});
    const ExponentialStep step(options.integrand, options.eta, begin, to);
    const Tensor z = step.of_noise() > 0 ? noise.normal(x.shape(), {kStepNoise, i}, x.context()) : Tensor{};
    x = stepped(step, first, weights(step, values, distinct(values, order), options), values, z);
    report(name, options, i, steps, x, [&] { return p.x0; });
  }
  return x;
}

}  // namespace eddy::inline v0_1
