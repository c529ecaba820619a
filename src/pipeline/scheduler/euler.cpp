// EulerDiscreteScheduler.
#include <cmath>

#include "eddy/ops.hpp"
#include "pipeline/scheduler/sigma_space.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr Name<bool> kInterpolations[]{{"linear", false}, {"log_linear", true}};
constexpr Name<bool> kTimes[]{{"discrete", false}, {"continuous", true}};
constexpr Name<bool> kEnds[]{{"zero", false}, {"sigma_min", true}};

// diffusers calls the network before churn and reads its output at the noisier x, v at the level before.
std::vector<Name<decltype(EulerOptions::x0_of_churned)>> churned_by_kind() {
  using P = const Prediction&;
  using T = const Tensor&;
  using L = const NoiseLevel&;
  return {{"epsilon", [](P p, T, T noisy, L, L to) { return combine(1, noisy, -to.sigma, p.eps); }},
          {"sample", [](P p, T, T, L, L) { return p.x0; }},
          {"v_prediction",
           [](P p, T x, T noisy, L from, L) {
             const double skip = 1 / (from.sigma * from.sigma + 1);
             return add(p.x0, combine(skip, noisy, -skip, x));
           }}};
}

}  // namespace

Recipe read_euler(JsonFields& f) {
  SigmaSpace space = read_sigma_space(f, {}, true, true);
  space.log_linear = named(f, "interpolation_type", f.text("interpolation_type", "linear"), kInterpolations);
  read_sigma_ends(f, space);
  const bool continuous = named(f, "timestep_type", f.text("timestep_type", "discrete"), kTimes);
  space.end_at_smallest = named(f, "final_sigmas_type", f.text("final_sigmas_type", "zero"), kEnds);
  std::string kind = f.text("prediction_type", "epsilon");
  if (kind == "original_sample") kind = "sample";
  const Adapter adapter = named(f, "prediction_type", kind, kAdapters);
  space.log_sigma_times = continuous && kind == "v_prediction";
  EulerOptions own;
  for (const auto& [name, x0_of_churned] : churned_by_kind()) {
    if (kind == name) own.x0_of_churned = x0_of_churned;
  }
  own.level_at = space.level_at();
  return [=](const SamplingOptions& o) -> Sampling {
    EulerOptions options = own;
    options.churn = o.churn;
    std::vector<Step> steps = space.steps(o);
    const double scale = space.initial_scale(steps);
    return {std::move(steps), bound(sample_euler, options), scale, adapter};
  };
}

}  // namespace eddy::inline v0_1
