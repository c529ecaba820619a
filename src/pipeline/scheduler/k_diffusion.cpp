// Lists of sigmas, ranges of sigmas, and torch's rounding of levels, for the samplers of k-diffusion.
#include "pipeline/scheduler/k_diffusion.hpp"

#include <cmath>

#include "base/portable_math.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr Name<bool> kEnds[]{{"zero", false}, {"sigma_min", true}};

}  // namespace

SigmaList read_sigma_list(JsonFields& f) {
  SigmaSpace space = read_sigma_space(f, {}, true, true);
  read_sigma_ends(f, space);
  space.end_at_smallest = named(f, "final_sigmas_type", f.text("final_sigmas_type", "zero"), kEnds);
  return {space, read_adapter(f)};
}

SigmaRange read_sigma_range(JsonFields& f) {
  // Both ends in float32, as k-diffusion has them.
  const auto rounded = [](double sigma) { return static_cast<double>(static_cast<float>(sigma)); };
  const TrainingSigmas table(read_schedule(f));
  const double low = rounded(read_positive(f, "sigma_min").value_or(table.smallest()));
  const double high = rounded(read_positive(f, "sigma_max").value_or(table.largest()));
  check_sigma_ends(f, low, high);
  return {table, low, high, read_adapter(f), table.level_at()};
}

std::vector<Step> SigmaRange::steps(int n) const {
  std::vector<NoiseLevel> levels;
  for (int i = 0; i <= n; ++i) {
    const double part = static_cast<double>(i) / n;
    levels.push_back(level_at(i == n ? sigma_min : sigma_max * std::pow(sigma_min / sigma_max, part)));
  }
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
