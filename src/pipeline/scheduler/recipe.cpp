// Fields that many schedulers have.
#include "pipeline/scheduler/recipe.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr std::string_view kBetaSchedules[]{"linear", "scaled_linear", "squaredcos_cap_v2", "exp", "sigmoid", "laplace"};
constexpr Name<Spacing> kSpacings[]{
    {"linspace", Spacing::linspace}, {"leading", Spacing::leading}, {"trailing", Spacing::trailing}};

}  // namespace

constexpr Name<Denoiser (*)(Network, Condition)> kAdapters[4]{
    {"epsilon", from_eps}, {"sample", from_x0}, {"v_prediction", from_v}, {"flow_prediction", from_flow}};

Schedule read_schedule(JsonFields& f, const BetaDefaults& defaults, bool rescale) {
  const int steps = static_cast<int>(f.integer("num_train_timesteps", defaults.num_train_timesteps, 2, 1000000));
  const double start = f.number("beta_start", defaults.start), end = f.number("beta_end", defaults.end);
  const std::string schedule = f.text("beta_schedule", defaults.schedule);
  if (std::ranges::find(kBetaSchedules, schedule) == std::end(kBetaSchedules)) {
    f.refuse("beta_schedule", "one of linear, scaled_linear, squaredcos_cap_v2, exp, sigmoid, laplace");
  }
  const std::vector<double> trained = f.numbers("trained_betas");
  if (f.has("trained_betas") && static_cast<int>(trained.size()) != steps) {
    f.refuse("trained_betas", "as many numbers as num_train_timesteps");
  }
  const bool to_zero = rescale && f.boolean("rescale_betas_zero_snr", false);
  return Schedule::diffusers(trained.empty() ? diffusers_betas(schedule, steps, start, end) : trained, to_zero);
}

SpacingFields read_spacing(JsonFields& f, Spacing otherwise) {
  const std::string text = f.text("timestep_spacing", name_of(otherwise, kSpacings));
  return {named(f, "timestep_spacing", text, kSpacings), static_cast<int>(f.integer("steps_offset", 0, 0, 1000000))};
}

Clip read_thresholding(JsonFields& f) {
  const bool on = f.boolean("thresholding", false);
  const double ratio = f.number("dynamic_thresholding_ratio", 0.995), largest = f.number("sample_max_value", 1);
  return on ? Clip{Clip::Kind::dynamic, 1, ratio, largest} : Clip{};
}

Clip read_clip(JsonFields& f, bool clip_sample) {
  const bool on = f.boolean("clip_sample", clip_sample);
  const double range = f.number("clip_sample_range", 1);
  const Clip thresholding = read_thresholding(f);
  return on && thresholding.kind == Clip::Kind::none ? Clip{Clip::Kind::range, range} : thresholding;
}

Adapter read_adapter(JsonFields& f, const std::string& otherwise) {
  return named(f, "prediction_type", f.text("prediction_type", otherwise), kAdapters);
}

}  // namespace eddy::inline v0_1
