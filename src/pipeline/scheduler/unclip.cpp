// UnCLIPScheduler: DDPM's step at evenly spread timesteps, the ends among them, with the cosine schedule [Ramesh2022].
//
// diffusers takes beta from its table where a step has length 1, the last step among them, and from 1 - alpha_bar_t / alpha_bar_s
// elsewhere, in float32: alpha_t^2 / alpha_s^2 = 1 - beta is a multiple of 2^-24 then, 0 in the first step. So the steps have an
// alpha of their own, and the network's prediction is made at the level of the schedule.
#include <cmath>

#include "pipeline/scheduler/recipe.hpp"

namespace eddy::inline v0_1 {

namespace {

std::vector<Step> steps_of(const Schedule& schedule, int n) {
  std::vector<Step> steps = ddpm_steps(schedule, n, Spacing::linspace);
  for (Step& step : steps) {
    const int t = static_cast<int>(step.from.t), s = step.to.sigma > 0 ? static_cast<int>(step.to.t) : -1;
    if (s < 0) {  // the posterior's mean is beta / (1 - alpha_bar) x0 there
      step.to.alpha = schedule.beta(t) / schedule.one_minus_alpha_bar(t);
    } else {
      const float ratio = static_cast<float>(schedule.alpha_bar(t)) / static_cast<float>(schedule.alpha_bar(s));
      const float beta = s == t - 1 ? static_cast<float>(schedule.beta(t)) : 1 - ratio;
      step.from.alpha = step.to.alpha * std::sqrt(1 - beta);
    }
  }
  return steps;
}

}  // namespace

Recipe read_unclip(JsonFields& f) {
  const int train_steps = static_cast<int>(f.integer("num_train_timesteps", 1000, 2, 1000000));
  if (f.text("beta_schedule", "squaredcos_cap_v2") != "squaredcos_cap_v2") f.refuse("beta_schedule", "squaredcos_cap_v2");
  static constexpr Name<Variance> kVariances[]{
      {"fixed_small_log", Variance::fixed_small}, {"learned_range", Variance::learned_range}};
  const Variance variance = named(f, "variance_type", f.text("variance_type", "fixed_small_log"), kVariances);
  const Clip clip = read_clip_sample(f, true);
  static constexpr Name<Denoiser (*)(Network, Condition)> kPredictions[]{{"epsilon", from_eps}, {"sample", from_x0}};
  const Adapter adapter = named(f, "prediction_type", f.text("prediction_type", "epsilon"), kPredictions);
  const Schedule schedule = Schedule::diffusers(cosine_betas(train_steps), false);
  return [=](const SamplingOptions& o) -> Sampling {
    DdpmOptions options;
    options.variance = variance;
    options.clip = clip;
    const int n = steps_or(o, std::min(25, train_steps));
    if (n < 2) throw Error("sampling_of: unclip needs at least 2 steps, got " + std::to_string(n));
    const auto at_schedule = [=](Network network, Condition condition) -> Denoiser {
      const Denoiser denoise = adapter(std::move(network), std::move(condition));
      return [=](const Tensor& x, std::span<const NoiseLevel> levels) {
        std::vector<NoiseLevel> of_schedule;
        for (const NoiseLevel& level : levels) of_schedule.push_back(schedule.level(static_cast<int>(level.t)));
        return denoise(x, of_schedule);
      };
    };
    return {steps_of(schedule, n), bound(sample_ddpm, options), 1, at_schedule};
  };
}

}  // namespace eddy::inline v0_1
