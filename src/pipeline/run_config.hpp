// RUN/config.json: all that decides the numbers of a run, one object each for data, unet, scheduler and train.
#pragma once

#include "eddy/data.hpp"
#include "eddy/pipeline.hpp"
#include "io/json.hpp"

namespace eddy::inline v0_1 {

struct RunConfig {
  std::string data;           // name or path
  DataOptions data_options{};
  std::string fingerprint{};  // of the data's content
  std::vector<std::string> class_names{};
  UNetConfig unet{};
  SchedulerConfig scheduler{};
  TrainOptions train{};
  double weight_decay = 0;
  Weighting loss = Weighting::mse;
  std::int64_t save_every = 1000, keep = 3, sample_every = 1000;
  std::int64_t held_out_every = 1000, held_out_samples = 1000;
  std::string from{};         // model whose weights were taken

  std::int64_t no_label() const { return train.label_dropout > 0 ? unet.num_class_embeds.value_or(0) - 1 : -1; }
};

// Strict: unknown keys are errors.
RunConfig run_config_from_json(const Json& json, const std::string& source);
Json run_config_to_json(const RunConfig& config);
// What a run is without any wish: fills in everything that `wishes` leaves open, by the data's shape and classes.
Json complete_run_config(const Json& wishes, const Shape& sample_shape, const std::vector<std::string>& class_names);
DataOptions data_options_of(const Json& config, const std::string& source);
// Objects key by key, anything else replaced.
Json merged(Json base, const Json& over);

}  // namespace eddy::inline v0_1
