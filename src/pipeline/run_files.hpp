// The files of a run: metrics.csv, checkpoints/, samples/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "eddy/pipeline.hpp"

namespace eddy::inline v0_1 {

std::string checkpoint_folder(const std::string& run, std::int64_t step);  // RUN/checkpoints/ckpt-00000004
std::string sample_file(const std::string& run, std::int64_t step);        // RUN/samples/step_000500.png
// The newest complete one, "" when there is none.
std::string newest_checkpoint(const std::string& run);
std::int64_t checkpoint_step(const std::string& folder);  // as its name says
// Steps of the training that made RUN/model; -1: there is none, or it does not say.
std::int64_t model_steps(const std::string& run);

// Keeps the one of this step and the keep - 1 newest before it.
void prune_checkpoints(const std::string& run, std::int64_t step, std::int64_t keep);
// Removes those of later steps: a run that goes on from an older one will make its own. Returns how many there were.
std::int64_t remove_checkpoints_after(const std::string& run, std::int64_t step);

// metrics.csv, one line a step; opened at a step, it keeps the lines up to that one.
class Metrics {
 public:
  Metrics(std::string path, std::int64_t step);
  void add(const std::string& line);
  // Whether the last line is this step's and has no held-out losses yet; complete() adds them.
  bool lacks_held_out(std::int64_t step) const;
  void complete(const std::string& fields);
  void flush();  // rewritten as a whole: never a half line

 private:
  std::string last_line() const;
  std::string path_, text_;
};

}  // namespace eddy::inline v0_1
