// UnCLIPScheduler: DDPM's step at evenly spread timesteps, the ends among them, with the cosine schedule [Ramesh2022].
#include "pipeline/scheduler/recipe.hpp"

namespace eddy::inline v0_1 {

Recipe read_unclip(JsonFields& f) {
  const int train_steps = static_cast<int>(f.integer("num_train_timesteps", 1000, 2, 1000000));
  if (f.text("beta_schedule", "squaredcos_cap_v2") != "squaredcos_cap_v2") f.refuse("beta_schedule", "squaredcos_cap_v2");
  static const Names<Variance> kVariances{{"fixed_small_log", Variance::fixed_small}, {"learned_range", Variance::learned_range}};
  const Variance variance = named(f, "variance_type", f.text("variance_type", "fixed_small_log"), kVariances);
  const bool clip = f.boolean("clip_sample", true);
  const double range = f.number("clip_sample_range", 1);
  static const Names<Denoiser (*)(Network, Condition)> kPredictions{{"epsilon", from_eps}, {"sample", from_x0}};
  const Adapter adapter = named(f, "prediction_type", f.text("prediction_type", "epsilon"), kPredictions);
  const Schedule schedule = Schedule::diffusers(cosine_betas(train_steps), false);
  return [=](const SamplingOptions& o) -> Sampling {
    DdpmOptions options;
    options.variance = variance;
    if (clip) options.clip = {Clip::Kind::range, range};
    const int n = steps_or(o, std::min(25, train_steps));
    if (n < 2) throw Error("sampling_of: unclip needs at least 2 steps, got " + std::to_string(n));
    return {ddpm_steps(schedule, n, Spacing::linspace), bound(sample_ddpm, options), 1, adapter};
  };
}

}  // namespace eddy::inline v0_1
