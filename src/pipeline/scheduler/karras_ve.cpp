// KarrasVeScheduler: Heun's method with churn [Karras2022, Alg. 2]. The levels are
//
//   sigma_i = sigma_max^2 (sigma_min / sigma_max)^(2 i / (n - 1)),  i = 0 .. n - 1
//
// which are the squares of the paper's variance-exploding sigmas [Karras2022, Tab. 1]; diffusers takes them for sigmas. The
// network gives a score of pictures in [0, 1], so it sees (x + 1) / 2 and is told sigma / 2. Noise is drawn in every step,
// needed or not.
#include <cmath>

#include "eddy/ops.hpp"
#include "pipeline/scheduler/recipe.hpp"

namespace eddy::inline v0_1 {

namespace {

NoiseLevel level_at(double ratio) { return {ratio / 2, 1, ratio}; }

Denoiser from_picture_score(Network network, Condition condition) {
  const Network of_x = [network = std::move(network)](const Tensor& x, const Tensor& t, const Condition& c) {
    return affine(network(affine(x, 0.5, 0.5), t, c), 0.5);
  };
  return from_score(of_x, std::move(condition));
}

std::vector<Step> steps_of(int n, double sigma_min, double sigma_max) {
  if (n < 2) throw Error("sampling_of: karras_ve needs at least 2 steps, got " + std::to_string(n));
  std::vector<NoiseLevel> levels;
  for (int i = 0; i < n; ++i) {
    const double ratio = sigma_min * sigma_min / (sigma_max * sigma_max);
    const double square = sigma_max * sigma_max * std::pow(ratio, static_cast<double>(i) / (n - 1));
    levels.push_back(level_at(static_cast<double>(static_cast<float>(square))));
  }
  levels.push_back({0, 1, 0});
  return steps(levels);
}

}  // namespace

Recipe read_karras_ve(JsonFields& f) {
  const double low = read_positive(f, "sigma_min", 0.02), high = read_positive(f, "sigma_max", 100);
  check_sigma_ends(f, low, high);
  const auto at_least_0 = [&f](const char* key, double otherwise) {
    const double value = f.number(key, otherwise);
    if (!(value >= 0)) f.refuse(key, "a number of at least 0");
    return value;
  };
  ChurnOptions options;
  options.churn.s_noise = at_least_0("s_noise", 1.007);
  options.churn.s_churn = at_least_0("s_churn", 80);
  options.churn.s_tmin = at_least_0("s_min", 0.05);
  options.churn.s_tmax = at_least_0("s_max", 50);
  options.level_at = level_at;
  return [=](const SamplingOptions& o) -> Sampling {
    const Sampler heun = bound(sample_heun, options);
    const Sampler sampler = [heun](const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                                   const SamplerOptions& call) {
      std::vector<NoiseKey> keys;
      for (std::size_t i = 0; i < steps.size(); ++i) keys.push_back({kStepNoise, i});
      return heun(denoise, std::move(x), steps, drawn_in_order(noise, std::move(keys)), call);
    };
    return {steps_of(steps_or(o, 50), low, high), sampler, high, from_picture_score};
  };
}

}  // namespace eddy::inline v0_1
