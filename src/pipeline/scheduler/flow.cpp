// Levels of flow matching, in diffusers' order of operations.
#include "pipeline/scheduler/flow.hpp"

#include <cmath>

namespace eddy::inline v0_1 {

double shifted(double sigma, double shift) { return shift * sigma / (1 + (shift - 1) * sigma); }
double dynamically_shifted(double sigma, double m) { return m / (m + (1 / sigma - 1)); }

void DynamicShift::check(const SamplingOptions& o, bool flow) const {
  if ((!o.mu && o.image_tokens == 0) || (on && flow)) return;
  throw Error(std::string("sampling_of: ") + (o.mu ? "mu" : "image_tokens") + " needs a scheduler with " +
              (on ? "use_flow_sigmas" : "use_dynamic_shifting"));
}

double DynamicShift::m(const SamplingOptions& o) const {
  if (!o.mu && o.image_tokens < 1) throw Error("sampling_of: use_dynamic_shifting needs mu, or image_tokens to find it");
  const double slope = (max_shift - base_shift) / static_cast<double>(max_tokens - base_tokens);
  const double mu = o.mu ? *o.mu : base_shift + slope * static_cast<double>(o.image_tokens - base_tokens);
  const double m = linear ? mu : std::exp(mu);
  if (!(m > 0 && std::isfinite(m))) {
    const std::string range = linear ? "above 0" : "from -700 to 700";
    throw Error("sampling_of: mu must be " + range + ", got " + std::to_string(mu));
  }
  return m;
}

DynamicShift read_dynamic_shift(JsonFields& f, bool own) {
  static constexpr Name<bool> kTypes[]{{"exponential", false}, {"linear", true}};
  DynamicShift s;
  s.on = f.boolean("use_dynamic_shifting", false);
  s.linear = named(f, "time_shift_type", f.text("time_shift_type", "exponential"), kTypes);
  const auto counts = [&](const char* key) { return own || f.has(key); };
  if (counts("base_shift")) s.base_shift = f.number("base_shift", s.base_shift);
  if (counts("max_shift")) s.max_shift = f.number("max_shift", s.max_shift);
  if (counts("base_image_seq_len")) s.base_tokens = f.integer("base_image_seq_len", s.base_tokens, 1, 1000000000);
  if (counts("max_image_seq_len")) s.max_tokens = f.integer("max_image_seq_len", s.max_tokens, 1, 1000000000);
  if (s.base_tokens == s.max_tokens) f.refuse("max_image_seq_len", "another number than base_image_seq_len");
  return s;
}

TrainingSigmas flow_training_sigmas(int train_steps, double shift) {
  std::vector<double> values;
  const auto s = static_cast<float>(shift), less = static_cast<float>(shift - 1);
  for (int k = 1; k <= train_steps; ++k) {
    const float sigma = static_cast<float>(k) / static_cast<float>(train_steps);
    values.push_back(static_cast<double>(s * sigma / (1 + less * sigma)));
  }
  return TrainingSigmas(std::move(values));
}

std::vector<NoiseLevel> flow_levels(const std::vector<double>& sigmas, int train_steps) {
  std::vector<NoiseLevel> levels;
  for (const double value : sigmas) {
    const auto rounded = static_cast<float>(value);
    const auto sigma = static_cast<double>(rounded);
    levels.push_back({static_cast<double>(rounded * static_cast<float>(train_steps)), 1 - sigma, sigma});
  }
  levels.push_back({0, 1, 0});
  return levels;
}

}  // namespace eddy::inline v0_1
