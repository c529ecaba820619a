// DPM-Solver-fast and the adaptive DPM-Solver of k-diffusion: from sigma_max to sigma_min, with steps of their own.
#include <cmath>

#include "pipeline/scheduler/k_diffusion.hpp"

namespace eddy::inline v0_1 {

namespace {

// n steps, equal in ln sigma. Both ends are rounded to float32, as k-diffusion's.
std::vector<Step> range_steps(const TrainedSigmas& trained, int n) {
  const auto rounded = [](double sigma) { return static_cast<double>(static_cast<float>(sigma)); };
  const double high = rounded(trained.sigma_max.value_or(trained.table.largest()));
  const double low = rounded(trained.sigma_min.value_or(trained.table.smallest()));
  std::vector<NoiseLevel> levels;
  for (int i = 0; i <= n; ++i) levels.push_back(trained.level_at(i == n ? low : high * std::pow(low / high, double{1} * i / n)));
  return eddy::steps(levels);
}

}  // namespace

Recipe read_dpm_fast(JsonFields& f) {
  const TrainedSigmas trained = read_trained_sigmas(f);
  DpmFastOptions own;
  read_stochastic(f, own, 0);
  own.level_at = trained.level_at;
  return [=](const SamplingOptions& o) {
    DpmFastOptions options = own;
    options.eta = o.eta.value_or(own.eta);
    options.orders = dpm_fast_orders(steps_or(o, 50));
    const int n = static_cast<int>(options.orders.size());
    return at_alpha_one(range_steps(trained, n), bound(sample_dpm_fast, options), trained.adapter);
  };
}

Recipe read_dpm_adaptive(JsonFields& f) {
  const TrainedSigmas trained = read_trained_sigmas(f);
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
  own.level_at = trained.level_at;
  return [=](const SamplingOptions& o) {
    DpmAdaptiveOptions options = own;
    options.eta = o.eta.value_or(own.eta);
    options.batch_coupled = o.batch_coupled;
    return at_alpha_one(range_steps(trained, 1), bound(sample_dpm_adaptive, options), trained.adapter);
  };
}

}  // namespace eddy::inline v0_1
