// The loop of a run: training, and beside it held-out losses, grids of samples and checkpoints.
#pragma once

#include <memory>

#include "pipeline/run_config.hpp"
#include "pipeline/run_files.hpp"

namespace eddy::inline v0_1 {

struct Parts {
  std::shared_ptr<const Dataset> train, held_out;  // held_out may be null
};

class Run {
 public:
  Run(const RunOptions& options, RunConfig config, Parts parts);

  void take_weights(const std::string& model);
  void restore(const std::string& checkpoint);
  std::int64_t step() const { return state_.step; }
  // Measured on weights that are thrown away, for about so many seconds.
  Pace pace(double budget);
  RunResult go();

 private:
  TrainOptions train_options() const;
  bool due(std::int64_t every) const { return every > 0 && (step() % every == 0 || step() == c_.train.steps); }
  HeldOutLoss measure_held_out(std::int64_t samples) const;
  void look(Metrics& metrics, bool again) const;
  std::string held_out() const;
  Model model() const { return {unet_, c_.scheduler, c_.class_names, c_.no_label(), step()}; }
  std::int64_t columns() const;
  SampleOptions grid_options() const;
  void grid() const;
  void checkpoint() const;
  RunResult finish();

  const RunOptions& o_;
  RunConfig c_;
  Parts parts_;
  UNet unet_;
  Optimizer optimizer_;
  Loss loss_;
  TrainState state_;
};

}  // namespace eddy::inline v0_1
