// Lists of sigmas, ranges of sigmas, and torch's rounding of levels, for the samplers of k-diffusion.
#include "pipeline/scheduler/k_diffusion.hpp"

#include <cmath>

#include "base/portable_math.hpp"

namespace eddy::inline v0_1 {

TrainedSigmas read_trained_sigmas(JsonFields& f) {
  const TrainingSigmas table(read_schedule(f));
  const auto positive = [&](const char* key) {
    const std::optional<double> value = f.optional_number(key);
    if (value && !(*value > 0)) f.refuse(key, "a positive number");
    return value;
  };
  const std::optional<double> low = positive("sigma_min"), high = positive("sigma_max");
  if (high.value_or(table.largest()) <= low.value_or(table.smallest())) f.refuse("sigma_max", "above sigma_min");
  const LevelAt level_at = [table](double sigma) { return NoiseLevel{table.t_of(sigma), 1, sigma}; };
  return {table, low, high, read_adapter(f), level_at};
}

SigmaList read_sigma_list(JsonFields& f) {
  const TrainedSigmas trained = read_trained_sigmas(f);
  const SigmaKind kind = read_sigma_kind(f);
  const SpacingFields spacing = read_spacing(f, Spacing::linspace);
  const Names<bool> ends{{"zero", true}, {"sigma_min", false}};
  return {trained, kind, spacing, named(f, "final_sigmas_type", f.text("final_sigmas_type", "zero"), ends)};
}

std::vector<Step> SigmaList::steps(const SamplingOptions& o) const {
  const TrainingSigmas& table = trained.table;
  const auto train_steps = static_cast<int>(table.values().size());
  const int n = steps_or(o, std::min(50, train_steps));
  const std::vector<double> ts = float_timesteps(train_steps, n, spacing);
  const SigmaKind chosen = chosen_sigmas(o, kind);
  std::vector<NoiseLevel> levels;
  if (chosen == SigmaKind::spaced) {
    for (const double t : ts) levels.push_back({t, 1, static_cast<float>(table.at(t))});
  } else {
    const double low = trained.sigma_min.value_or(table.at(ts.back())), high = trained.sigma_max.value_or(table.at(ts.front()));
    for (const double sigma : listed_sigmas(chosen, n, table, low, high)) {
      levels.push_back({table.t_of(sigma), 1, static_cast<float>(sigma)});
    }
  }
  levels.push_back({0, 1, to_zero ? 0 : table.smallest()});
  return eddy::steps(levels);
}

void read_stochastic(JsonFields& f, StochasticOptions& options, double eta) {
  options.eta = f.number("eta", eta);
  options.s_noise = f.number("s_noise", 1);
  if (!(options.eta >= 0)) f.refuse("eta", "not negative");
  if (!(options.s_noise >= 0)) f.refuse("s_noise", "not negative");
}

std::optional<std::uint64_t> read_noise_seed(JsonFields& f) {
  const char* const key = "noise_sampler_seed";
  if (!f.has(key)) return f.raw(key), std::nullopt;
  return static_cast<std::uint64_t>(f.integer(key, 0, 0, 0x7fffffffffffffff));
}

Sampling at_alpha_one(std::vector<Step> steps, Sampler sampler, const Adapter& adapter) {
  const double largest = steps.front().from.sigma;
  return {std::move(steps), std::move(sampler), largest, adapter};
}

namespace {

float log_of(float x) { return static_cast<float>(portable_log(static_cast<double>(x))); }
float exp_of(float x) { return static_cast<float>(portable_exp(static_cast<double>(x))); }

class FloatLevels final : public NoiseSource::Source {
 public:
  FloatLevels(const NoiseSource& inner, std::span<const Step> steps, double r)
      : inner_(inner), steps_(steps.begin(), steps.end()), r_(static_cast<float>(r)) {}

  Tensor normal(const Shape& shape, const NoiseKey& key, std::int64_t first, const Context& context) override {
    return inner_.from_row(first).normal(shape, key, context);
  }

  Tensor brownian(const Shape& shape, const BrownianKey& key, std::int64_t first, const Context& context) override {
    const Step& step = steps_[key.key.step];
    const float t = -log_of(static_cast<float>(step.from.sigma)), t_next = -log_of(static_cast<float>(step.to.sigma));
    BrownianKey rounded = key;
    rounded.from = exp_of(-t);
    rounded.to = exp_of(-(key.key.substep == 0 ? t + (t_next - t) * r_ : t_next));
    return inner_.from_row(first).brownian(shape, rounded, context);
  }

 private:
  NoiseSource inner_;
  std::vector<Step> steps_;
  float r_;
};

}  // namespace

Sampler with_float_levels(Sampler sampler, double r) {
  return [=](const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
             const SamplerOptions& call) {
    return sampler(denoise, std::move(x), steps, NoiseSource(std::make_shared<FloatLevels>(noise, steps, r)), call);
  };
}

}  // namespace eddy::inline v0_1
