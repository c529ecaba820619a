// PNDMScheduler. With d = T / n, in whole numbers, and t0 > t1 > ... the timesteps of the spacing:
//
//   Runge and Kutta   t_i -> t_{i+1}, three times, by t_i - d/2 and t_{i+1} + d/2; both times the network is told the latter
//   skip_prk_steps    t_1 + d -> t_1, by t_0 -> t_0 - d where the network is told t_1: so it is asked twice at t_1
//   then              t -> t - d
//
// Where d does not divide the spacing those levels differ a little, and pictures made with diffusers depend on it.
#include "pipeline/scheduler/recipe.hpp"

namespace eddy::inline v0_1 {

namespace {

NoiseLevel told(const Schedule& schedule, int t, int level) {
  NoiseLevel l = schedule.level(level);
  l.t = t;
  return l;
}

}  // namespace

Recipe read_pndm(JsonFields& f) {
  const Schedule schedule = read_schedule(f, {}, false);
  const SpacingFields spacing = read_spacing(f, Spacing::leading);
  const bool skip = f.boolean("skip_prk_steps", false), set_alpha_to_one = f.boolean("set_alpha_to_one", false);
  static constexpr Name<Raw> kRaw[]{{"epsilon", Raw::eps}, {"v_prediction", Raw::velocity}};
  const Raw raw = named(f, "prediction_type", f.text("prediction_type", "epsilon"), kRaw);
  const Adapter adapter = raw == Raw::eps ? from_eps : from_v;
  return [=](const SamplingOptions& o) -> Sampling {
    const int n = steps_or(o, std::min(50, schedule.steps())), d = schedule.steps() / n, half = d / 2;
    const std::vector<int> ts = timesteps(schedule.steps(), n, spacing.spacing, spacing.offset);
    std::vector<Step> steps = ddim_steps(schedule, n, spacing.spacing, spacing.offset, set_alpha_to_one);
    PndmOptions options;
    options.raw = raw;
    options.runge_kutta = !skip;
    if (skip && n > 1) {
      steps[0] = {told(schedule, ts[0], ts[1] + d), schedule.level(ts[1])};
      const Step first{schedule.level(ts[0]), told(schedule, ts[1], ts[0] - d)};
      options.stages = [first](const Step&) { return std::vector{first}; };
    } else if (!skip) {
      for (std::size_t i = 0; i + 1 < ts.size() && i < 3; ++i) steps[i].to = schedule.level(ts[i + 1]);
      options.stages = [schedule, half](const Step& step) {
        const int from = static_cast<int>(step.from.t), middle = static_cast<int>(step.to.t) + half;
        return std::vector<Step>{{step.from, told(schedule, middle, from - half)}, {step.from, schedule.level(middle)}};
      };
    }
    return {steps, bound(sample_pndm, options), 1, adapter};
  };
}

}  // namespace eddy::inline v0_1
