// What happens at each step of a run, and every so often.
#include "pipeline/run_loop.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/clock.hpp"
#include "base/files.hpp"
#include "eddy/error.hpp"
#include "pipeline/scheduler/config.hpp"

namespace eddy::inline v0_1 {

namespace {

void note(const RunOptions& o, const std::string& text) {
  if (o.on_note) o.on_note(text);
}

// Weights and their average exchanged for as long as it lives.
class AverageScope {
 public:
  explicit AverageScope(const Optimizer& optimizer) : optimizer_(optimizer) { optimizer_.swap_average(); }
  ~AverageScope() { optimizer_.swap_average(); }
  AverageScope(const AverageScope&) = delete;
  AverageScope& operator=(const AverageScope&) = delete;

 private:
  const Optimizer& optimizer_;
};

Network network_of(const UNet& unet) {
  if (unet.config().num_class_embeds) return unet;
  return [unet](const Tensor& x, const Tensor& t, const Condition&) { return unet(x, t); };  // labels are left aside
}

// Of the run, before that one; "" when there is none.
std::string older_checkpoint(const std::string& run, const std::string& checkpoint) {
  const std::string folder = join(run, "checkpoints");
  std::string older;
  for (const std::string& name : path_kind(folder) == PathKind::directory ? list_directory(folder) : std::vector<std::string>{}) {
    const bool whole = name.starts_with("ckpt-") && name.find('.') == std::string::npos;
    if (whole && join(folder, name) < join(folder, base_name(checkpoint))) older = join(folder, name);
  }
  return older;
}

struct Enough {};

}  // namespace

Run::Run(const RunOptions& options, RunConfig config, Parts parts)
    : o_(options), c_(std::move(config)), parts_(std::move(parts)),
      unet_(c_.unet, {.seed = c_.train.seed, .context = o_.context}),
      optimizer_(unet_.parameters(), c_.optimizer),
      loss_(objective(schedule_of(c_.scheduler), {.prediction = prediction_of(c_.scheduler), .weighting = c_.loss.weighting,
                                                  .min_snr_gamma = c_.min_snr_gamma,
                                                  .learned_range = c_.loss.learned_range})) {}

void Run::take_weights(const std::string& model) {
  const UNet other = load_unet(model, o_.context);
  try {
    unet_.tree().copy_from(other.tree());
  } catch (const Error& e) {
    throw Error("train.from (--from) " + model + ": the model does not fit the run's, which unet and the data make: " + e.what());
  }
  optimizer_ = Optimizer(unet_.parameters(), c_.optimizer);
}

void Run::restore(const std::string& checkpoint) {
  try {
    state_ = load_checkpoint(checkpoint, optimizer_);
  } catch (const Error& e) {
    const std::string older = older_checkpoint(o_.out, checkpoint);
    throw Error(e.what() + (older.empty() ? "; there is no older checkpoint: --resume no --overwrite begins again"
                                          : "; --resume " + older + " goes on from an older one"));
  }
}

Pace Run::pace(double budget) {
  const UNet copy = unet_.clone();
  const Optimizer optimizer(copy.parameters());
  TrainOptions t = train_options();
  t.steps = 1000000;
  const double start = now();
  double begun = 0;
  std::int64_t counted = -3;  // the first ones warm up
  t.on_step = [&](const TrainReport&) {
    if (++counted == 0) begun = now();
    if (counted > 0 && now() - start > budget) throw Enough{};
  };
  TrainState state;
  try {
    train(network_of(copy), optimizer, parts_.train, loss_, t, state);
  } catch (const Enough&) {
  }
  Pace p{(now() - begun) / static_cast<double>(counted), 0, 0};
  const auto seconds_of = [](const auto& f) {  // of the second call: the first one warms up
    f();
    const double before = now();
    f();
    return now() - before;
  };
  if (parts_.held_out) {
    const std::int64_t held = std::min(c_.held_out_samples, parts_.held_out->size()), few = std::min(held, c_.train.batch_size);
    p.held_out = 2 * seconds_of([&] { measure_held_out(few); }) * static_cast<double>(held) / static_cast<double>(few);
  }
  SampleOptions s = grid_options();
  const int steps = std::exchange(s.steps, 1);
  p.grid = steps * seconds_of([&] { sample(model(), s); });
  return p;
}

RunResult Run::go() {
  Metrics metrics(join(o_.out, "metrics.csv"), step());
  double flushed = now();
  TrainOptions t = train_options();
  t.on_warning = o_.on_warning;
  t.on_step = [&](const TrainReport& r) {
    const double speed = static_cast<double>(t.batch_size * t.accumulate) / r.seconds;
    if (o_.on_step) o_.on_step(r, t.steps, speed);
    char line[160];
    std::snprintf(line, sizeof line, "%lld,%.6g,%.6g,%.6g,%.1f,%.2f", static_cast<long long>(r.step), r.loss, r.grad_norm,
                  r.rate, speed, state_.seconds);
    metrics.add(line);
    look(metrics, false);
    const bool save = due(c_.save_every) || r.step == t.steps;
    if (save || now() - flushed > 10) {
      metrics.flush();
      flushed = now();
    }
    if (save) checkpoint();
  };
  try {
    const CancelScope cancel(o_.cancel);
    if (step() > 0) look(metrics, true);  // it may have been stopped while it looked
    train(network_of(unet_), optimizer_, parts_.train, loss_, t, state_);
    metrics.flush();
  } catch (const Cancelled&) {
    metrics.flush();
    checkpoint();
    note(o_, "stopped at step " + std::to_string(step()) + ", saved in " + checkpoint_folder(o_.out, step()) +
                 "; the same command" + (o_.resume == Resume::automatic ? "" : " without --resume and --overwrite") + " goes on");
    throw;
  } catch (...) {
    try {
      metrics.flush();
    } catch (const Error&) {  // the first failure is the one to tell
    }
    throw;
  }
  return finish();
}

// Held-out losses and a grid, where this step has them; `again`: those that are there stay.
void Run::look(Metrics& metrics, bool again) const {
  if (parts_.held_out && due(c_.held_out_every) && metrics.lacks_held_out(step())) metrics.complete(held_out());
  if (due(c_.sample_every) && !(again && exists(sample_file(o_.out, step())))) grid();
}

TrainOptions Run::train_options() const {
  TrainOptions t = c_.train;
  t.no_label = c_.no_label();
  t.cancel = o_.cancel;
  return t;
}

HeldOutLoss Run::measure_held_out(std::int64_t samples) const {
  return held_out_loss(network_of(unet_), *parts_.held_out, loss_, samples, c_.train.seed, c_.train.batch_size, o_.context);
}

std::string Run::held_out() const {
  const auto measure = [&] {
    const HeldOutLoss h = measure_held_out(c_.held_out_samples);
    char text[120];
    std::snprintf(text, sizeof text, ",%.6g,%.6g,%.6g,%.6g,%.6g", h.all, h.quarter[0], h.quarter[1], h.quarter[2], h.quarter[3]);
    return std::pair(std::string(text), h.all);
  };
  const auto [raw, raw_all] = measure();
  const AverageScope scope(optimizer_);
  const auto [average, average_all] = measure();
  char text[120];
  std::snprintf(text, sizeof text, "step %lld: held-out loss %.5f, of the average %.5f", static_cast<long long>(step()), raw_all,
                average_all);
  note(o_, text);
  return raw + average;
}

// Rows of a grid are of one sample a class, when that many fit.
std::int64_t Run::columns() const {
  const auto classes = c_.unet.num_class_embeds ? static_cast<std::int64_t>(c_.class_names.size()) : 0;
  return classes <= 16 ? classes : 0;
}

SampleOptions Run::grid_options() const {
  SampleOptions s;
  s.num = columns() > 0 ? 2 * columns() : 16;
  s.batch_size = s.num;
  s.steps = std::min(c_.scheduler.name() == "ddpm" ? 100 : 25, schedule_of(c_.scheduler).steps());
  s.seed = c_.train.seed;
  s.cancel = o_.cancel;
  return s;
}

void Run::grid() const {
  const AverageScope scope(optimizer_);
  make_directories(join(o_.out, "samples"));
  save_png(sample_file(o_.out, step()), sample(model(), grid_options()).x, static_cast<int>(columns()));
}

void Run::checkpoint() const {
  save_checkpoint(checkpoint_folder(o_.out, step()), optimizer_, state_);
  prune_checkpoints(o_.out, step(), c_.keep);
}

RunResult Run::finish() {
  const AverageScope scope(optimizer_);
  save_model(join(o_.out, "model"), model());
  if (state_.skipped > 0) {
    note(o_, std::to_string(state_.skipped) + " steps were skipped: their loss or gradient was not finite");
  }
  const std::string picture = sample_file(o_.out, step());
  return {false, step(), join(o_.out, "model"), exists(picture) ? picture : std::string{}};
}

}  // namespace eddy::inline v0_1
