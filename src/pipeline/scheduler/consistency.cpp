// CMStochasticIterativeScheduler: sigma_i = (max^(1/rho) + i / (T - 1) (min^(1/rho) - max^(1/rho)))^rho, i = 0 .. T - 1, and of
// them those at i = 0, T // n, 2 (T // n) ...; the network is told 250 ln(sigma). A step adds noise up to
// sqrt(sigma^2 - sigma_min^2), because x0 stands for the level sigma_min.
#include <cmath>

#include "pipeline/scheduler/recipe.hpp"

namespace eddy::inline v0_1 {

namespace {

struct Fields {
  int train_steps;
  double sigma_min, sigma_max, sigma_data, s_noise, rho;
  bool clip;
};

Fields read_fields(JsonFields& f) {
  const int train_steps = static_cast<int>(f.integer("num_train_timesteps", 40, 2, 1000000));
  const double low = read_positive(f, "sigma_min", 0.002), high = read_positive(f, "sigma_max", 80);
  check_sigma_ends(f, low, high);
  const double data = read_positive(f, "sigma_data", 0.5), s_noise = f.number("s_noise", 1), rho = read_positive(f, "rho", 7);
  if (!(s_noise >= 0)) f.refuse("s_noise", "a number of at least 0");
  return {train_steps, low, high, data, s_noise, rho, f.boolean("clip_denoised", true)};
}

// Places in the list of all sigmas, noisy first.
std::vector<double> places(const Fields& c, const SamplingOptions& o) {
  std::vector<double> result;
  for (std::size_t i = 0; i < o.timesteps.size(); ++i) {  // counted from the clean end, used from the noisy one
    const double t = o.timesteps[i];
    if (!(t >= 0 && t < c.train_steps && t == std::floor(t) && (i == 0 || t < o.timesteps[i - 1]))) {
      throw Error("sampling_of: timesteps must be whole numbers that fall, in [0, " + std::to_string(c.train_steps) + ")");
    }
    result.insert(result.begin(), t);
  }
  if (!result.empty()) return result;
  const int n = steps_or(o, 1);
  if (n > c.train_steps) {
    throw Error("sampling_of: steps must be at most " + std::to_string(c.train_steps) + ", got " + std::to_string(n));
  }
  for (int i = 0; i < n; ++i) result.push_back(i * (c.train_steps / n));
  return result;
}

// sqrt(sigma^2 - sigma_min^2) in float32, where for sigma_min itself a last digit may stay.
double above_the_least(double sigma, const Fields& c) {
  const auto limited = static_cast<float>(std::clamp(sigma, c.sigma_min, c.sigma_max));
  return std::sqrt(std::max(limited * limited - static_cast<float>(c.sigma_min * c.sigma_min), 0.0f));
}

std::vector<Step> steps_of(const Fields& c, const SamplingOptions& o) {
  const double low = std::pow(c.sigma_min, 1 / c.rho), high = std::pow(c.sigma_max, 1 / c.rho);
  std::vector<Step> result;
  for (const double place : places(c, o)) {
    const double sigma = std::pow(high + place / (c.train_steps - 1) * (low - high), c.rho);
    const NoiseLevel level{250 * std::log(sigma), 1, static_cast<double>(static_cast<float>(sigma))};
    if (!result.empty()) result.back().to = {level.t, 1, above_the_least(level.sigma, c)};
    result.push_back({level, {0, 1, 0}});
  }
  if (result.size() > 1) result.back().to.sigma = above_the_least(c.sigma_min, c);
  return result;
}

}  // namespace

Recipe read_consistency(JsonFields& f) {
  const Fields fields = read_fields(f);
  return [=](const SamplingOptions& o) -> Sampling {
    ConsistencyOptions options;
    if (fields.clip) options.clip = {Clip::Kind::range, 1};
    options.noise_scale = fields.s_noise;
    const ConsistencyScale scale{fields.sigma_data, fields.sigma_min};
    const auto adapter = [scale](Network network, Condition condition) {
      return from_consistency(std::move(network), std::move(condition), scale);
    };
    return {steps_of(fields, o), bound(sample_consistency, options), fields.sigma_max, adapter};
  };
}

}  // namespace eddy::inline v0_1
