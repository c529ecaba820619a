// Noise, sample and velocity targets, weighed by level (min_snr.hpp) or joined by a bound (variational_bound.cpp).
//
//   x = alpha x0 + sigma eps,   v = alpha eps - sigma x0                                     [Salimans2022, D]
#include <algorithm>

#include "eddy/denoiser.hpp"
#include "eddy/error.hpp"
#include "eddy/ops.hpp"
#include "eddy/random.hpp"
#include "eddy/train.hpp"
#include "train/min_snr.hpp"

namespace eddy::inline v0_1 {

std::vector<int> stratified_timesteps(int train_steps, std::int64_t n, const Draw& draw) {
  std::vector<int> result;
  for (std::int64_t i = draw.first; i < draw.first + n; ++i) {
    const double u = keyed_uniform(draw.seed, {kTimesteps, draw.step}, i);
    const double t = (static_cast<double>(i) + u) / static_cast<double>(draw.total) * train_steps;
    result.push_back(std::min(train_steps - 1, static_cast<int>(t)));
  }
  return result;
}

namespace {

Tensor noise_of(const Batch& batch, const Draw& draw) {
  if (batch.eps.defined()) return batch.eps;
  return philox_noise(draw.seed).from_sample(draw.first).normal(batch.x.shape(), {kTrainingNoise, draw.step}, batch.x.context());
}

Prediction x0_and_eps(PredictionType prediction, const Tensor& raw, const Tensor& x, std::span<const NoiseLevel> levels) {
  const Network given = [&](const Tensor&, const Tensor&, const Condition&) { return raw; };
  switch (prediction) {
    case PredictionType::epsilon: return from_eps(given)(x, levels);
    case PredictionType::sample: return from_x0(given)(x, levels);
    case PredictionType::v_prediction: break;
  }
  return from_v(given)(x, levels);
}

}  // namespace

Loss objective(const Schedule& schedule, const ObjectiveOptions& o) {
  if (o.prediction == PredictionType::epsilon && schedule.snr(schedule.steps() - 1) == 0) {
    throw Error("objective: noise prediction learns nothing where the SNR is 0; use v_prediction or sample");
  }
  return [schedule, o](const Network& network, const Batch& batch, const Draw& draw) {
    const std::int64_t n = batch.x.extent(0), channels = batch.x.extent(-1);
    const auto ts = draw.timesteps.empty() ? stratified_timesteps(schedule.steps(), n, draw) : draw.timesteps;
    std::vector<NoiseLevel> levels;
    std::vector<float> t, weight;
    for (const int i : ts) {
      levels.push_back(schedule.level(i));
      t.push_back(static_cast<float>(i));
      const bool weighted = o.weighting == Weighting::min_snr;
      weight.push_back(weighted ? static_cast<float>(min_snr_weight(o.prediction, schedule.snr(i), o.min_snr_gamma)) : 1.0f);
    }
    const Tensor eps = noise_of(batch, draw), x = add_noise(batch.x, eps, levels);
    Condition condition;
    if (batch.labels.defined()) condition.emplace_back("class_labels", batch.labels);
    const Tensor output = network(x, Tensor::from(std::span<const float>(t), {n}, x.context()), condition);
    const bool hybrid = o.weighting == Weighting::hybrid;
    if (output.extent(-1) != channels * (hybrid ? 2 : 1)) {
      throw Error("objective: the network's output must have " + std::to_string(channels * (hybrid ? 2 : 1)) +
                  " channels, got " + std::to_string(output.extent(-1)));
    }
    const Tensor raw = hybrid ? slice(output, 0, channels) : output;
    const Tensor target = o.prediction == PredictionType::epsilon  ? eps
                          : o.prediction == PredictionType::sample ? batch.x
                                                                   : velocity(batch.x, eps, levels);
    const Tensor mse = mse_per_sample(raw, target, Tensor::from(std::span<const float>(weight), {n}, x.context()));
    if (!hybrid) return mse;
    const Tensor x0 = x0_and_eps(o.prediction, raw.detached(), x, levels).x0;
    const Tensor bits = variational_bound(schedule, batch.x, x, x0, slice(output, channels, channels), ts, o.eight_bit);
    return mse + (schedule.steps() / 1000.0) * bits;
  };
}

}  // namespace eddy::inline v0_1
