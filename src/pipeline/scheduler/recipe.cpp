// Fields that many schedulers have.
#include "pipeline/scheduler/recipe.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr std::string_view kBetaSchedules[]{"linear", "scaled_linear", "squaredcos_cap_v2", "exp", "sigmoid", "laplace"};
constexpr Name<Spacing> kSpacings[]{
    {"linspace", Spacing::linspace}, {"leading", Spacing::leading}, {"trailing", Spacing::trailing}};

bool in_unit(float beta) { return beta > 0 && beta < 1; }

// Refuses numbers that make no betas: all of them are in (0, 1), but the last may be 1. Curves without ends do not use them.
void check_betas(const JsonFields& f, const std::string& schedule, double start, double end) {
  if (schedule != "linear" && schedule != "scaled_linear" && schedule != "sigmoid") return;
  if (!in_unit(static_cast<float>(start))) f.refuse("beta_start", "in (0, 1), as float32 too");
  const auto last = static_cast<float>(end);
  if (!in_unit(last) && last != 1) f.refuse("beta_end", "in (0, 1], as float32 too");
}

void check_trained(const JsonFields& f, const std::vector<double>& betas, int steps) {
  if (static_cast<int>(betas.size()) != steps) f.refuse("trained_betas", "as many numbers as num_train_timesteps");
  for (std::size_t t = 0; t < betas.size(); ++t) {
    const auto beta = static_cast<float>(betas[t]);
    if (in_unit(beta) || (beta == 1 && t + 1 == betas.size())) continue;
    f.refuse("trained_betas", "numbers in (0, 1), the last at most 1");
  }
}

}  // namespace

double read_positive(JsonFields& f, const char* key, double otherwise) {
  const double value = f.number(key, otherwise);
  if (!(value > 0)) f.refuse(key, "a number above 0");
  if (value < 1e-18 || value > 1e18) f.refuse(key, "a number from 1e-18 to 1e18");
  return value;
}

std::optional<double> read_positive(JsonFields& f, const char* key) {
  return f.optional_number(key) ? std::optional(read_positive(f, key, 1)) : std::nullopt;
}

void check_sigma_ends(const JsonFields& f, double low, double high) {
  if (low < high) return;
  const auto text = [](double sigma) { return Json(sigma).dump(); };
  if (f.has("sigma_max")) f.refuse("sigma_max", "above sigma_min, " + text(low));
  f.refuse("sigma_min", "below sigma_max, " + text(high));
}

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
  if (f.has("trained_betas")) {
    check_trained(f, trained, steps);
  } else {
    check_betas(f, schedule, start, end);
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
  if (!on) return {};
  if (!(ratio > 0 && ratio <= 1)) f.refuse("dynamic_thresholding_ratio", "in (0, 1]");
  if (!(largest > 0)) f.refuse("sample_max_value", "a number above 0");
  return {Clip::Kind::dynamic, 1, ratio, largest};
}

Clip read_clip_sample(JsonFields& f, bool clip_sample) {
  const bool on = f.boolean("clip_sample", clip_sample);
  const double range = f.number("clip_sample_range", 1);
  if (!on) return {};
  if (!(range > 0)) f.refuse("clip_sample_range", "a number above 0");
  return {Clip::Kind::range, range};
}

Clip read_clip(JsonFields& f, bool clip_sample) {
  const Clip range = read_clip_sample(f, clip_sample), thresholding = read_thresholding(f);
  return thresholding.kind == Clip::Kind::none ? range : thresholding;
}

Adapter read_adapter(JsonFields& f, const std::string& otherwise) {
  return named(f, "prediction_type", f.text("prediction_type", otherwise), kAdapters);
}

}  // namespace eddy::inline v0_1
