// The fields of diffusers' DDPMScheduler and DDIMScheduler, both ways.
#include "pipeline/scheduler_config.hpp"

namespace eddy::inline v0_1 {

const Names<PredictionType> kPredictionNames{{"epsilon", PredictionType::epsilon},
                                             {"sample", PredictionType::sample},
                                             {"v_prediction", PredictionType::v_prediction}};
const Names<SamplerKind> kSamplerNames{{"ddpm", SamplerKind::ddpm}, {"ddim", SamplerKind::ddim}};

namespace {

const Names<SamplerKind> kClasses{{"DDPMScheduler", SamplerKind::ddpm}, {"DDIMScheduler", SamplerKind::ddim}};
const Names<Spacing> kSpacings{
    {"linspace", Spacing::linspace}, {"leading", Spacing::leading}, {"trailing", Spacing::trailing}};
// diffusers' *_log forms are the same variances, written as logarithms.
const Names<Variance> kVariances{{"fixed_small", Variance::fixed_small},
                                 {"fixed_small_log", Variance::fixed_small},
                                 {"fixed_large", Variance::fixed_large},
                                 {"fixed_large_log", Variance::fixed_large},
                                 {"learned_range", Variance::learned_range}};
const std::vector<std::string> kBetaSchedules{"linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"};

}  // namespace

SchedulerConfig scheduler_config_from_json(const Json& json, const std::string& source,
                                           const std::function<void(const std::string&)>& unknown) {
  JsonFields f(json, source);
  SchedulerConfig c;
  c.kind = named(f, "_class_name", f.text("_class_name", "DDIMScheduler"), kClasses);
  f.raw("_diffusers_version");
  c.num_train_timesteps = static_cast<int>(f.integer("num_train_timesteps", c.num_train_timesteps, 2, 1000000));
  c.beta_start = f.number("beta_start", c.beta_start);
  c.beta_end = f.number("beta_end", c.beta_end);
  c.beta_schedule = f.text("beta_schedule", c.beta_schedule);
  if (std::ranges::find(kBetaSchedules, c.beta_schedule) == kBetaSchedules.end()) {
    f.refuse("beta_schedule", "one of linear, scaled_linear, squaredcos_cap_v2, sigmoid");
  }
  if (f.has("trained_betas")) c.trained_betas = f.numbers("trained_betas");
  f.raw("trained_betas");
  if (!c.trained_betas.empty() && static_cast<int>(c.trained_betas.size()) != c.num_train_timesteps) {
    f.refuse("trained_betas", "as many numbers as num_train_timesteps");
  }
  c.prediction_type = named(f, "prediction_type", f.text("prediction_type", "epsilon"), kPredictionNames);
  c.timestep_spacing = named(f, "timestep_spacing", f.text("timestep_spacing", "leading"), kSpacings);
  c.steps_offset = static_cast<int>(f.integer("steps_offset", 0, 0, 1000000));
  c.rescale_betas_zero_snr = f.boolean("rescale_betas_zero_snr", false);
  c.clip_sample = f.boolean("clip_sample", true);
  c.clip_sample_range = f.number("clip_sample_range", 1);
  c.thresholding = f.boolean("thresholding", false);
  c.dynamic_thresholding_ratio = f.number("dynamic_thresholding_ratio", 0.995);
  c.sample_max_value = f.number("sample_max_value", 1);
  c.set_alpha_to_one = f.boolean("set_alpha_to_one", true);
  c.variance_type = named(f, "variance_type", f.text("variance_type", "fixed_small"), kVariances);
  f.finish(unknown);
  return c;
}

Json scheduler_config_to_json(const SchedulerConfig& c) {
  Json json{{"_class_name", name_of(c.kind, kClasses)},
            {"num_train_timesteps", c.num_train_timesteps},
            {"beta_start", c.beta_start},
            {"beta_end", c.beta_end},
            {"beta_schedule", c.beta_schedule},
            {"trained_betas", c.trained_betas.empty() ? Json() : Json(c.trained_betas)},
            {"prediction_type", name_of(c.prediction_type, kPredictionNames)},
            {"timestep_spacing", name_of(c.timestep_spacing, kSpacings)},
            {"steps_offset", c.steps_offset},
            {"rescale_betas_zero_snr", c.rescale_betas_zero_snr},
            {"clip_sample", c.clip_sample},
            {"clip_sample_range", c.clip_sample_range},
            {"thresholding", c.thresholding},
            {"dynamic_thresholding_ratio", c.dynamic_thresholding_ratio},
            {"sample_max_value", c.sample_max_value}};
  if (c.kind == SamplerKind::ddim) json["set_alpha_to_one"] = c.set_alpha_to_one;
  if (c.kind == SamplerKind::ddpm) json["variance_type"] = name_of(c.variance_type, kVariances);
  return json;
}

Schedule schedule_of(const SchedulerConfig& c) {
  const std::vector<double> betas =
      !c.trained_betas.empty() ? c.trained_betas
                               : diffusers_betas(c.beta_schedule, c.num_train_timesteps, c.beta_start, c.beta_end);
  return Schedule::diffusers(betas, c.rescale_betas_zero_snr);
}

Denoiser denoiser_of(const SchedulerConfig& c, Network network, Condition condition) {
  switch (c.prediction_type) {
    case PredictionType::epsilon: return from_eps(std::move(network), std::move(condition));
    case PredictionType::sample: return from_x0(std::move(network), std::move(condition));
    case PredictionType::v_prediction: break;
  }
  return from_v(std::move(network), std::move(condition));
}

std::vector<Step> steps_of(const SchedulerConfig& c, SamplerKind sampler, int steps) {
  const Schedule schedule = schedule_of(c);
  return sampler == SamplerKind::ddim ? ddim_steps(schedule, steps, c.timestep_spacing, c.steps_offset, c.set_alpha_to_one)
                                      : ddpm_steps(schedule, steps, c.timestep_spacing, c.steps_offset);
}

Clip clip_of(const SchedulerConfig& c) {
  if (c.thresholding) return {Clip::Kind::dynamic, 1, c.dynamic_thresholding_ratio, c.sample_max_value};
  if (c.clip_sample) return {Clip::Kind::range, c.clip_sample_range};
  return {};
}

}  // namespace eddy::inline v0_1
