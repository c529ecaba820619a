// What a network learns at each level of noise, and the loss that follows.
//
//   x = alpha x0 + sigma eps;   noise: eps,   sample: x0,   velocity: alpha eps - sigma x0                [Salimans2022, D]
//
// snr_weight.hpp weighs the squared error, variational_bound.cpp adds what the variance learns from.
#include <algorithm>

#include "eddy/denoiser.hpp"
#include "eddy/error.hpp"
#include "eddy/ops.hpp"
#include "eddy/random.hpp"
#include "eddy/train.hpp"
#include "train/snr_weight.hpp"

namespace eddy::inline v0_1 {

std::vector<double> quantiles(const Draw& draw, std::int64_t n) {
  if (!draw.quantiles.empty()) return draw.quantiles;
  std::vector<double> result;
  for (std::int64_t i = draw.first; i < draw.first + n; ++i) {
    const double u = keyed_uniform(draw.seed, {kTimesteps, draw.step}, i);
    result.push_back((static_cast<double>(i) + u) / static_cast<double>(draw.total));
  }
  return result;
}

namespace {

// Samples at their levels, and what is asked of the network there.
struct Noised {
  std::vector<NoiseLevel> levels;
  Tensor x, t, target, weight;
  Tensor input;  // x as the network sees it
};

Tensor noise_of(const Batch& batch, const Draw& draw) {
  if (batch.eps.defined()) return batch.eps;
  return philox_noise(draw.seed).from_sample(draw.first).normal(batch.x.shape(), {kTrainingNoise, draw.step}, batch.x.context());
}

Noised noised(const Objective& o, const Batch& batch, const Draw& draw) {
  const std::int64_t n = batch.x.extent(0);
  Noised result;
  result.levels = draw.levels;
  if (draw.levels.empty()) {
    for (const double q : quantiles(draw, n)) result.levels.push_back(o.level(q));
  }
  if (static_cast<std::int64_t>(result.levels.size()) != n) {
    throw Error("objective: needs a level a sample (" + std::to_string(n) + "), got " + std::to_string(result.levels.size()));
  }
  std::vector<double> c_in, of_x0, of_eps;
  std::vector<float> t, weight;
  for (const NoiseLevel& level : result.levels) {
    const LevelTarget target = o.target(level);
    c_in.push_back(target.c_in);
    of_x0.push_back(target.of_x0);
    of_eps.push_back(target.of_eps);
    t.push_back(static_cast<float>(target.c_noise));
    weight.push_back(static_cast<float>(target.weight));
  }
  const Context& context = batch.x.context();
  const Tensor eps = noise_of(batch, draw);
  result.x = add_noise(batch.x, eps, result.levels);
  const bool plain = std::ranges::all_of(c_in, [](double c) { return c == 1; });
  result.input = plain ? result.x : combine(c_in, result.x, {}, {});
  result.t = Tensor::from(std::span<const float>(t), {n}, context);
  result.target = combine(of_x0, batch.x, of_eps, eps);
  result.weight = Tensor::from(std::span<const float>(weight), {n}, context);
  return result;
}

Tensor output_of(const Network& network, const Noised& noised, const Batch& batch, std::int64_t channels) {
  const Tensor output = network(noised.input, noised.t, batch.condition);
  if (!output.defined() || output.rank() == 0 || output.extent(-1) != channels) {
    throw Error("objective: the network's output must have " + std::to_string(channels) + " channels, got " +
                (output.defined() ? to_string(output.shape()) : "an empty tensor"));
  }
  return output;
}

Objective discrete(const Schedule& schedule, const ObjectiveOptions& o) {
  const int steps = schedule.steps();
  return {[schedule, steps](double q) { return schedule.level(std::min(steps - 1, static_cast<int>(q * steps))); },
          [o](const NoiseLevel& level) {
            LevelTarget target{.c_noise = level.t};
            if (o.prediction == PredictionType::epsilon) target.of_eps = 1;
            if (o.prediction == PredictionType::sample) target.of_x0 = 1;
            if (o.prediction == PredictionType::v_prediction) {
              target.of_x0 = -level.sigma;
              target.of_eps = level.alpha;
            }
            const double snr = level.alpha * level.alpha / (level.sigma * level.sigma);
            if (o.weighting == Weighting::snr) target.weight = snr_weight(o.prediction, snr, snr);
            if (o.weighting == Weighting::min_snr) target.weight = snr_weight(o.prediction, snr, o.min_snr_gamma);
            return target;
          }};
}

Tensor predicted_x0(PredictionType prediction, const Tensor& raw, const Tensor& x, std::span<const NoiseLevel> levels) {
  const Network given = [&](const Tensor&, const Tensor&, const Condition&) { return raw; };
  switch (prediction) {
    case PredictionType::epsilon: return from_eps(given)(x, levels).x0;
    case PredictionType::sample: return from_x0(given)(x, levels).x0;
    case PredictionType::v_prediction: break;
  }
  return from_v(given)(x, levels).x0;
}

}  // namespace

Loss objective(const Objective& o) {
  if (!o.level || !o.target) throw Error("objective: level and target must be given");
  return [o](const Network& network, const Batch& batch, const Draw& draw) {
    const Noised n = noised(o, batch, draw);
    return mse_per_sample(output_of(network, n, batch, batch.x.extent(-1)), n.target, n.weight);
  };
}

Loss objective(const Schedule& schedule, const ObjectiveOptions& o) {
  if (o.prediction == PredictionType::epsilon && schedule.snr(schedule.steps() - 1) == 0) {
    throw Error("objective: noise prediction learns nothing where the SNR is 0; use v_prediction or sample");
  }
  if (!(o.min_snr_gamma > 0)) throw Error("objective: min_snr_gamma must be above 0, got " + std::to_string(o.min_snr_gamma));
  const Objective mse = discrete(schedule, o);
  if (!o.learned_range) return objective(mse);
  return [schedule, o, mse](const Network& network, const Batch& batch, const Draw& draw) {
    const std::int64_t channels = batch.x.extent(-1);
    const Noised n = noised(mse, batch, draw);
    const Tensor output = output_of(network, n, batch, 2 * channels), raw = slice(output, 0, channels);
    const Tensor x0 = predicted_x0(o.prediction, raw.detached(), n.x, n.levels);
    std::vector<int> timesteps;
    for (const NoiseLevel& level : n.levels) timesteps.push_back(static_cast<int>(level.t));
    const Tensor bits = variational_bound(schedule, batch.x, n.x, x0, slice(output, channels, channels), timesteps, o.eight_bit);
    return mse_per_sample(raw, n.target, n.weight) + (schedule.steps() / 1000.0) * bits;
  };
}

}  // namespace eddy::inline v0_1
