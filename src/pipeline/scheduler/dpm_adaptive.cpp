// DPM-Solver-fast and the adaptive DPM-Solver of k-diffusion: from sigma_max to sigma_min, with steps of their own.
#include "pipeline/scheduler/k_diffusion.hpp"

namespace eddy::inline v0_1 {

Recipe read_dpm_fast(JsonFields& f) {
  const SigmaRange range = read_sigma_range(f);
  DpmFastOptions own;
  read_stochastic(f, own, 0);
  own.level_at = range.level_at;
  return [=](const SamplingOptions& o) {
    DpmFastOptions options = own;
    options.eta = o.eta.value_or(own.eta);
    options.orders = dpm_fast_orders(steps_or(o, 50));
    const int n = static_cast<int>(options.orders.size());
    return at_alpha_one(range.steps(n), bound(sample_dpm_fast, options), range.adapter);
  };
}

Recipe read_dpm_adaptive(JsonFields& f) {
  const SigmaRange range = read_sigma_range(f);
  DpmAdaptiveOptions own;
  read_stochastic(f, own, 0);
  own.order = static_cast<int>(f.integer("order", own.order, 2, 3));
  own.rtol = f.number("rtol", own.rtol);
  own.atol = f.number("atol", own.atol);
  own.h_init = f.number("h_init", own.h_init);
  own.pcoeff = f.number("pcoeff", own.pcoeff);
  own.icoeff = f.number("icoeff", own.icoeff);
  own.dcoeff = f.number("dcoeff", own.dcoeff);
  own.accept_safety = f.number("accept_safety", own.accept_safety);
  if (!(own.rtol >= 0)) f.refuse("rtol", "not negative");
  const std::pair<const char*, double> positive[] = {
      {"atol", own.atol}, {"h_init", own.h_init}, {"accept_safety", own.accept_safety}};
  for (const auto& [key, value] : positive) {
    if (!(value > 0)) f.refuse(key, "positive");
  }
  if (own.accept_safety > 1) f.refuse("accept_safety", "in (0, 1]");
  own.level_at = range.level_at;
  return [=](const SamplingOptions& o) {
    DpmAdaptiveOptions options = own;
    options.eta = o.eta.value_or(own.eta);
    options.batch_coupled = o.batch_coupled;
    Sampling sampling = at_alpha_one(range.steps(1), bound(sample_dpm_adaptive, options), range.adapter);
    sampling.whole_batch = o.batch_coupled;
    return sampling;
  };
}

}  // namespace eddy::inline v0_1
