// A run: from wishes and data to a finished model, in a folder that can be left and taken up again at any step.
#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <memory>
#include <utility>

#include "base/files.hpp"
#include "eddy/error.hpp"
#include "pipeline/run_config.hpp"
#include "pipeline/run_files.hpp"

namespace eddy::inline v0_1 {

namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void note(const RunOptions& o, const std::string& text) {
  if (o.on_note) o.on_note(text);
}

Json wishes_of(const RunOptions& o) {
  Json wishes = o.config_file.empty() ? Json::object() : read_json(o.config_file);
  if (!o.config.empty()) wishes = merged(std::move(wishes), parse_json(o.config, "config"));
  if (!wishes.is_object()) throw Error(o.config_file + ": must be an object");
  if (wishes.contains("data") && wishes["data"].is_object()) {  // these two follow from the data
    wishes["data"].erase("fingerprint");
    wishes["data"].erase("class_names");
  }
  return wishes;
}

// Whether a key may change between two parts of one run.
bool free_to_change(const std::string& path) {
  for (const char* key : {"/data/path", "/train/steps", "/train/save_every", "/train/keep", "/train/sample_every"}) {
    if (path == key) return true;
  }
  return false;
}

void check_same(const Json& before, const Json& after, const std::string& path, const std::string& source) {
  if (before == after || free_to_change(path)) return;
  if (before.is_object() && after.is_object()) {
    for (const auto& [key, value] : after.items()) {
      check_same(before.contains(key) ? before[key] : Json(), value, path + "/" + key, source);
    }
    return;
  }
  throw Error(source + ": the run has " + path.substr(1) + " = " + before.dump() + ", asked for is " + after.dump() +
              "; choose another folder, or start again with --resume no --overwrite");
}

struct Parts {
  std::shared_ptr<const Dataset> train, held_out;
};

// The test part is held out, else a keyed choice of the training part.
Parts split(const Data& data, const RunConfig& c) {
  if (c.held_out_every == 0) return {data.train, nullptr};
  if (data.test) return {data.train, data.test};
  const std::int64_t n = data.train->size(), held = std::min<std::int64_t>(1000, n / 20);
  if (held == 0) return {data.train, nullptr};
  const auto order = keyed_permutation(c.train.seed, {kHeldOut, 1}, n);
  const auto middle = order.begin() + held;
  return {subset(data.train, {middle, order.end()}), subset(data.train, {order.begin(), middle})};
}

std::string hex(std::uint64_t value) {
  char text[20];
  std::snprintf(text, sizeof text, "%016" PRIx64, value);
  return text;
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

class Run {
 public:
  Run(const RunOptions& options, RunConfig config, Parts parts)
      : o_(options), c_(std::move(config)), parts_(std::move(parts)),
        unet_(c_.unet, {.seed = c_.train.seed, .context = o_.context}),
        optimizer_(unet_.parameters(), {.weight_decay = c_.weight_decay}),
        loss_(objective(schedule_of(c_.scheduler),
                        {.prediction = c_.scheduler.prediction_type, .weighting = c_.loss})) {}

  void take_weights(const std::string& model) {
    const UNet other = load_unet(model, o_.context);
    unet_.tree().copy_from(other.tree());
    optimizer_ = Optimizer(unet_.parameters(), {.weight_decay = c_.weight_decay});
  }
  void restore(const std::string& folder) { position_ = load_checkpoint(folder, optimizer_); }
  std::int64_t step() const { return position_.train.step; }

  // Measured on weights that are thrown away.
  Pace pace(double budget) {
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

  RunResult go() {
    Metrics metrics(join(o_.out, "metrics.csv"), step());
    double last = now(), flushed = last;
    TrainOptions t = train_options();
    t.on_warning = o_.on_warning;
    t.on_step = [&](const TrainReport& r) {
      const double elapsed = now() - last;
      position_.seconds += elapsed;
      last = now();
      const double speed = static_cast<double>(t.batch_size * t.accumulate) / elapsed;
      if (o_.on_step) o_.on_step(r, t.steps, speed);
      char line[160];
      std::snprintf(line, sizeof line, "%lld,%.6g,%.6g,%.6g,%.1f,%.2f", static_cast<long long>(r.step), r.loss, r.grad_norm,
                    r.rate, speed, position_.seconds);
      metrics.add(line + held_out(r.step));
      if (due(r.step, c_.sample_every)) grid(r.step);
      const bool save = due(r.step, c_.save_every) || r.step == t.steps;
      if (save || now() - flushed > 10) {
        metrics.flush();
        flushed = now();
      }
      if (save) checkpoint();
    };
    try {
      train(network_of(unet_), optimizer_, parts_.train, loss_, t, position_.train);
    } catch (const Cancelled&) {
      metrics.flush();
      checkpoint();
      throw;
    }
    return finish();
  }

 private:
  struct Enough {};

  TrainOptions train_options() const {
    TrainOptions t = c_.train;
    t.no_label = c_.no_label();
    t.cancel = o_.cancel;
    return t;
  }

  bool due(std::int64_t step, std::int64_t every) const { return every > 0 && (step % every == 0 || step == c_.train.steps); }

  HeldOutLoss measure_held_out(std::int64_t samples) const {
    return held_out_loss(network_of(unet_), *parts_.held_out, loss_, c_.scheduler.num_train_timesteps, samples, c_.train.seed,
                         c_.train.batch_size, o_.context);
  }

  std::string held_out(std::int64_t step) const {
    if (!parts_.held_out || !due(step, c_.held_out_every)) return {};
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
    std::snprintf(text, sizeof text, "step %lld: held-out loss %.5f, of the average %.5f", static_cast<long long>(step), raw_all,
                  average_all);
    note(o_, text);
    return raw + average;
  }

  Model model() const { return {unet_, c_.scheduler, c_.class_names, c_.no_label()}; }

  // Rows of a grid are of one sample a class, when that many fit.
  std::int64_t columns() const {
    const auto classes = c_.unet.num_class_embeds ? static_cast<std::int64_t>(c_.class_names.size()) : 0;
    return classes <= 16 ? classes : 0;
  }

  SampleOptions grid_options() const {
    SampleOptions s;
    s.num = columns() > 0 ? 2 * columns() : 16;
    s.batch_size = s.num;
    s.steps = std::min(c_.scheduler.kind == SamplerKind::ddim ? 25 : 100, c_.scheduler.num_train_timesteps);
    s.seed = c_.train.seed;
    s.cancel = o_.cancel;
    return s;
  }

  void grid(std::int64_t step) const {
    const AverageScope scope(optimizer_);
    make_directories(join(o_.out, "samples"));
    save_png(sample_file(o_.out, step), sample(model(), grid_options()).x, static_cast<int>(columns()));
  }

  void checkpoint() const {
    save_checkpoint(checkpoint_folder(o_.out, step()), optimizer_, position_);
    prune_checkpoints(o_.out, c_.keep);
  }

  RunResult finish() {
    const AverageScope scope(optimizer_);
    save_model(join(o_.out, "model"), model());
    if (position_.train.skipped > 0) {
      note(o_, std::to_string(position_.train.skipped) + " steps were skipped: their loss or gradient was not finite");
    }
    const std::string picture = sample_file(o_.out, step());
    return {false, step(), join(o_.out, "model"), exists(picture) ? picture : std::string{}};
  }

  const RunOptions& o_;
  RunConfig c_;
  Parts parts_;
  UNet unet_;
  Optimizer optimizer_;
  Loss loss_;
  Position position_;
};

void throw_away(const std::string& run) {
  for (const char* name : {"config.json", "metrics.csv", "samples", "checkpoints", "model"}) remove_path(join(run, name));
}

Data open(const Json& config, const std::string& source) {
  const Json path = config.contains("data") ? config["data"].value("path", Json()) : Json();
  if (!path.is_string() || path.get<std::string>().empty()) throw Error("train: which data? give data.path (--data)");
  const Data data = open_data(path.get<std::string>(), data_options_of(config, source));
  if (data.train->sample_shape().rank() != 3) {
    throw Error("data " + path.get<std::string>() + ": samples are " + to_string(data.train->sample_shape()) +
                ", a U-Net learns pictures (H, W, C); examples/02_spiral trains on vectors");
  }
  return data;
}

// The configuration says what products are; the context's own are the wish of who says nothing.
RunOptions with_products(RunOptions o, Products products) {
  if ((products == Products::f32) != (o.context.products() == Products::f32)) o.context = o.context.with(products);
  return o;
}

RunResult begin(const RunOptions& asked, const std::string& path) {
  Json wishes = wishes_of(asked);
  if (asked.context.products() != Products::f32) wishes = merged({{"train", {{"products", "bf16"}}}}, wishes);
  const Data data = open(wishes, asked.config_file.empty() ? "config" : asked.config_file);
  if (asked.minutes > 0 && !(wishes.contains("train") && wishes["train"].contains("steps"))) wishes["train"]["steps"] = 100000;
  const auto completed = [&] {
    RunConfig c = run_config_from_json(complete_run_config(wishes, data.train->sample_shape(), data.train->class_names()), path);
    c.fingerprint = hex(data.train->fingerprint());
    c.class_names = data.train->class_names();
    return c;
  };
  RunConfig config = completed();
  const RunOptions o = with_products(asked, config.products);
  if (config.unet.num_class_embeds) {
    const std::int64_t rows = data.train->classes() + (config.train.label_dropout > 0 ? 1 : 0);
    if (*config.unet.num_class_embeds != rows) {
      throw Error(path + ": unet.num_class_embeds must be " + std::to_string(rows) + " (classes of the data" +
                  (config.train.label_dropout > 0 ? ", and one row for no label" : "") + "), got " +
                  std::to_string(*config.unet.num_class_embeds));
    }
  } else if (config.train.label_dropout > 0) {
    throw Error(path + ": train.label_dropout needs a model with classes");
  }
  auto run = std::make_unique<Run>(o, config, split(data, config));
  if (o.minutes > 0) {
    const double start = now(), seconds = o.minutes * 60;
    const Pace pace = run->pace(std::min(20.0, 0.05 * seconds));
    fit_steps(wishes["train"], config, pace, seconds - (now() - start));
    note(o, wishes["train"]["steps"].dump() + " steps fit into the time");
    config = completed();
    run = std::make_unique<Run>(o, config, split(data, config));
  }
  if (!config.from.empty()) run->take_weights(config.from);
  make_directories(o.out);
  write_json(path, run_config_to_json(config));
  return run->go();
}

RunResult go_on(const RunOptions& asked, const std::string& path) {
  const Json before = run_config_to_json(run_config_from_json(read_json(path), path));
  Json after = merged(before, wishes_of(asked));
  const Data data = open(after, path);
  after["data"]["fingerprint"] = hex(data.train->fingerprint());
  check_same(before, run_config_to_json(run_config_from_json(after, path)), "", path);
  const RunConfig config = run_config_from_json(after, path);
  const RunOptions o = with_products(asked, config.products);
  const std::int64_t old_steps = before["train"]["steps"].get<std::int64_t>(), steps = config.train.steps;

  const std::string checkpoint = o.resume == Resume::checkpoint ? o.checkpoint : newest_checkpoint(o.out);
  Run run(o, config, split(data, config));
  if (!checkpoint.empty()) run.restore(checkpoint);
  if (checkpoint.empty() && !config.from.empty()) run.take_weights(config.from);
  if (steps < run.step()) {
    throw Error(path + ": " + std::to_string(run.step()) + " steps are done, asked for are " + std::to_string(steps));
  }
  if (run.step() == steps && steps == old_steps && exists(join(o.out, "model/model_index.json"))) {
    const std::string picture = sample_file(o.out, steps);
    return {true, steps, join(o.out, "model"), exists(picture) ? picture : std::string{}};
  }
  if (run.step() > 0) note(o, "going on from step " + std::to_string(run.step()));
  if (steps > old_steps) {
    note(o, "extended from " + std::to_string(old_steps) + " to " + std::to_string(steps) +
                " steps; the rate is from here on that of a run of the new length");
  }
  write_json(path, run_config_to_json(config));
  return run.go();
}

}  // namespace

RunResult train_run(const RunOptions& o) {
  if (o.out.empty()) throw Error("train_run: which folder? give out (--out)");
  const std::string path = join(o.out, "config.json");
  if (path_kind(o.out) == PathKind::file) throw Error(o.out + ": is a file, a folder is needed");
  const bool used = exists(path);
  if (!used && path_kind(o.out) == PathKind::directory && !list_directory(o.out).empty()) {
    throw Error(o.out + ": holds other files and no config.json; choose an empty folder");
  }
  if (used && o.resume == Resume::no) {
    if (!o.overwrite) throw Error(o.out + ": holds a run; --resume no needs --overwrite to throw it away");
    throw_away(o.out);
  }
  if (used && o.resume != Resume::no) return go_on(o, path);
  if (o.resume == Resume::checkpoint) throw Error(o.out + ": there is no run to resume");
  return begin(o, path);
}

}  // namespace eddy::inline v0_1
