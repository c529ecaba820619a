// A scheduler's configuration: the JSON as it was stated, and what its class makes of it.
#include "pipeline/scheduler/config.hpp"

#include "base/boundary.hpp"

namespace eddy::inline v0_1 {

namespace {

const char* const kClassName = "_class_name";

const SchedulerClass& class_called(const std::string& name, const char* SchedulerClass::*member, const std::string& source) {
  std::string all;
  for (const SchedulerClass& c : scheduler_classes()) {
    if (name == c.*member) return c;
    all += (all.empty() ? "" : ", ") + std::string(c.*member);
  }
  throw Error(source + ": there is no scheduler " + name.substr(0, 200) + "; known: " + all);
}

std::shared_ptr<const SchedulerConfig::State> read(Json stated, const std::string& source) {
  if (!stated.is_object()) throw Error(source + ": must be a JSON object");
  SchedulerConfig::State s;
  JsonFields f(stated, source);
  s.class_name = f.text(kClassName, "DDIMScheduler");
  s.row = &class_called(s.class_name, &SchedulerClass::class_name, source);
  s.name = s.row->name;
  s.source = source;
  s.recipe = s.row->read(f);
  s.resolved = f.resolved();
  f.finish([&](const std::string& key) {
    if (!key.starts_with('_')) s.unknown.push_back(key);
  });
  s.stated = std::move(stated);
  return std::make_shared<const SchedulerConfig::State>(std::move(s));
}

// Throws Error when an option is asked of a class that has no such thing.
void check_takes(bool asked, bool Takes::*option, const SchedulerConfig::State& s, const char* what) {
  if (!asked || s.row->takes.*option) return;
  std::string all;
  for (const SchedulerClass& c : scheduler_classes()) {
    if (c.takes.*option) all += (all.empty() ? "" : ", ") + std::string(c.name);
  }
  throw Error("sampling_of: " + s.name + " has no " + what + "; those that have: " + all);
}

constexpr int kMostSteps = 1'000'000;

void check_count(const char* what, int given, int least) {
  if (given >= least && given <= kMostSteps) return;
  throw Error("sampling_of: " + std::string(what) + " must be from " + std::to_string(least) + " to " +
              std::to_string(kMostSteps) + ", got " + std::to_string(given));
}

}  // namespace

SchedulerConfig::SchedulerConfig(const std::string& json, const std::string& source) try
    : state_(read(parse_json(json, source), source)) {
} catch (...) {
  throw_as_error("SchedulerConfig");
}

const std::string& SchedulerConfig::class_name() const { return state_->class_name; }
const std::string& SchedulerConfig::name() const { return state_->name; }
std::vector<std::string> SchedulerConfig::unknown_fields() const { return state_->unknown; }

std::string SchedulerConfig::json() const try {
  Json all = state_->resolved;
  all.update(state_->stated);
  return json_text(all);
} catch (...) {
  throw_as_error("SchedulerConfig::json");
}

SchedulerConfig SchedulerConfig::with(const std::string& json) const try {
  Json stated = state_->stated;
  const Json over = parse_json(json, state_->source);
  if (!over.is_object()) throw Error(state_->source + ": fields must be a JSON object");
  stated.update(over);
  SchedulerConfig result = *this;
  result.state_ = read(std::move(stated), state_->source);
  return result;
} catch (...) {
  throw_as_error("SchedulerConfig::with");
}

SchedulerConfig SchedulerConfig::with_sampler(const std::string& name) const try {
  const SchedulerClass &row = class_called(name, &SchedulerClass::name, "sampler"), &own = *state_->row;
  const auto kind = [](const SchedulerClass& c) {
    return *c.network != '\0' ? c.network : "networks of noise, samples or velocities at alpha^2 + sigma^2 = 1";
  };
  if (std::string_view(row.network) != own.network) {
    throw Error("sampler " + name + " is for " + kind(row) + "; the model's, for " + own.name + ", are " + kind(own));
  }
  return with(Json{{kClassName, row.class_name}}.dump());
} catch (...) {
  throw_as_error("SchedulerConfig::with_sampler");
}

Sampling sampling_of(const SchedulerConfig& config, const SamplingOptions& options) try {
  const SchedulerConfig::State& s = config.state();
  check_count("steps", options.steps, 0);
  if (options.jump_length) check_count("jump_length", *options.jump_length, 1);
  if (options.jump_n_sample) check_count("jump_n_sample", *options.jump_n_sample, 1);
  check_takes(options.eta.has_value(), &Takes::eta, s, "eta");
  check_takes(!options.sigmas.empty(), &Takes::sigmas, s, "list of sigmas");
  check_takes(options.churn.s_churn != 0, &Takes::churn, s, "churn");
  check_takes(!options.timesteps.empty(), &Takes::timesteps, s, "timesteps");
  check_takes(options.use_clipped_model_output.has_value(), &Takes::clipped_output, s, "use_clipped_model_output");
  check_takes(options.mu.has_value(), &Takes::mu, s, "mu");
  check_takes(options.image_tokens != 0, &Takes::mu, s, "image_tokens");
  check_takes(options.picture.defined(), &Takes::picture, s, "picture");
  check_takes(options.mask.defined(), &Takes::mask, s, "mask");
  check_takes(options.jump_length || options.jump_n_sample, &Takes::mask, s, "jumps");
  if (!options.timesteps.empty() && options.steps > 0) throw Error("sampling_of: give steps or timesteps, not both");
  return s.recipe(options);
} catch (...) {
  throw_as_error("sampling_of");
}

Schedule schedule_of(const SchedulerConfig& config) try {
  const SchedulerConfig::State& s = config.state();
  if (!s.resolved.contains("beta_schedule")) throw Error(s.source + ": " + s.class_name + " has no betas");
  JsonFields f(s.resolved, s.source);
  return read_schedule(f);
} catch (...) {
  throw_as_error("schedule_of");
}

PredictionType prediction_of(const SchedulerConfig& config) {
  JsonFields f(config.state().resolved, config.state().source);
  static constexpr Name<PredictionType> kNames[]{{"epsilon", PredictionType::epsilon},
                                                 {"sample", PredictionType::sample},
                                                 {"v_prediction", PredictionType::v_prediction}};
  return named(f, "prediction_type", f.text("prediction_type", ""), kNames);
}

}  // namespace eddy::inline v0_1
