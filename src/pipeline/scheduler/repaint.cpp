// RePaintScheduler: DDIM's leading steps with jumps back. Back up by d = T / n levels from t - d, diffusers takes the betas of
// t .. t + d - 1, which are those of the next d levels: x is then a little noisier than the step that follows takes it for.
// Every step draws noise, the last before a jump from the clean end too, where none is used.
#include <cmath>

#include "pipeline/scheduler/recipe.hpp"

namespace eddy::inline v0_1 {

namespace {

// The way back up from where a step ended to where the next begins.
struct Renoise {
  Schedule schedule;
  int d;

  int below(const NoiseLevel& from) const { return from.sigma == 0 ? -d : static_cast<int>(from.t); }
  int count(const NoiseLevel& from, const NoiseLevel& to) const { return static_cast<int>(to.t) - below(from); }
  std::vector<Step> operator()(const NoiseLevel& from, const NoiseLevel& to) const {
    std::vector<Step> steps;
    for (int i = 0; i < count(from, to); ++i) {
      const int t = below(from) + d + i;
      const double beta = schedule.beta(t);
      steps.push_back({{static_cast<double>(t), 1, 0}, {static_cast<double>(t), std::sqrt(1 - beta), std::sqrt(beta)}});
    }
    return steps;
  }
};

std::vector<NoiseKey> keys_of(std::span<const Step> steps, const Renoise& renoise) {
  std::vector<NoiseKey> keys;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const bool higher = i > 0 && steps[i].from.sigma > steps[i - 1].to.sigma;
    const int up = higher ? renoise.count(steps[i - 1].to, steps[i].from) : 0;
    for (int k = 1; k <= up; ++k) keys.push_back({kStepNoise, i, static_cast<std::uint32_t>(k)});
    keys.push_back({kStepNoise, i});
  }
  return keys;
}

}  // namespace

Recipe read_repaint(JsonFields& f) {
  const Schedule schedule = read_schedule(f, {}, false);
  const double eta = f.number("eta", 0);
  if (!(eta >= 0 && eta <= 1)) f.refuse("eta", "a number in [0, 1]");
  const bool clip = f.boolean("clip_sample", true);
  return [=](const SamplingOptions& o) -> Sampling {
    if (!o.picture.defined() || !o.mask.defined()) {
      throw Error("sampling_of: repaint needs a picture and a mask, 1 where the picture is known and 0 where it is to be made");
    }
    RepaintOptions options;
    options.picture = o.picture;
    options.mask = o.mask;
    options.eta = o.eta.value_or(eta);
    if (clip) options.clip = {Clip::Kind::range, 1};
    const int n = std::min(steps_or(o, 250), schedule.steps());
    const Renoise renoise{schedule, schedule.steps() / n};
    options.renoise = renoise;
    const Sampler sampler = bound(sample_repaint, options);
    const Sampler in_order = [=](const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                                 const SamplerOptions& call) {
      return sampler(denoise, std::move(x), steps, drawn_in_order(noise, keys_of(steps, renoise)), call);
    };
    const std::vector<Step> plain = ddim_steps(schedule, n, Spacing::leading);
    return {resampled_steps(plain, o.jump_length.value_or(10), o.jump_n_sample.value_or(10)), in_order, 1, from_eps};
  };
}

}  // namespace eddy::inline v0_1
