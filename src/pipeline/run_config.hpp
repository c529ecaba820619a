// RUN/config.json: all that decides the numbers of a run, one object each for data, unet, scheduler and train.
#pragma once

#include "eddy/data.hpp"
#include "eddy/pipeline.hpp"
#include "io/json.hpp"
#include "pipeline/rate_config.hpp"

namespace eddy::inline v0_1 {

struct LossKind {
  Weighting weighting = Weighting::mse;
  bool learned_range = false;
  friend bool operator==(const LossKind&, const LossKind&) = default;
};

struct RunConfig {
  std::string data;           // name or path
  DataOptions data_options{};
  std::string fingerprint{};  // of the data's content
  std::vector<std::string> class_names{};
  UNetConfig unet{};
  SchedulerConfig scheduler{};
  TrainOptions train{};
  RateConfig rate{};           // what train.rate_schedule is made of
  OptimizerOptions optimizer{};
  LossKind loss{};
  double min_snr_gamma = 5;
  Products products = Products::f32;  // f32 or bf16: which unit, the CPU decides
  std::int64_t save_every = 1000, keep = 3, sample_every = 1000;
  std::int64_t held_out_every = 1000, held_out_samples = 1000;
  std::string from{};         // model whose weights were taken

  std::int64_t no_label() const { return train.label_dropout > 0 ? unet.num_class_embeds.value_or(0) - 1 : -1; }
};

// Strict: unknown keys are errors.
RunConfig run_config_from_json(const Json& json, const std::string& source);
Json run_config_to_json(const RunConfig& config);
// What of a run's configuration can be looked at when only some of it is there; throws Error as reading all of it does.
void check_wishes(const Json& json, const std::string& source);
// What a run is without any wish: fills in everything that `wishes` leaves open, by the data's shape and classes.
Json complete_run_config(const Json& wishes, const Shape& sample_shape, const std::vector<std::string>& class_names);

// Seconds of one step, of one held-out loss (of the weights and of their average) and of one grid of samples.
struct Pace {
  double step, held_out, grid;
};
// Sets train.steps to what fits into so many seconds. Where train does not say how often, held-out losses and grids come at
// most ten times and get about a tenth of the time, but come once; 3 % are left for checkpoints.
void fit_steps(Json& train, const RunConfig& config, const Pace& pace, double seconds);

DataOptions data_options_of(const Json& config, const std::string& source);
// Objects key by key, anything else replaced; the arguments of a rate schedule go with it.
Json merged(Json base, const Json& over);

}  // namespace eddy::inline v0_1
