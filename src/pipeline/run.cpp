// A run: from wishes and data to a finished model, in a folder that can be left and taken up again at any step.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <memory>
#include <utility>

#include "base/clock.hpp"
#include "base/files.hpp"
#include "eddy/error.hpp"
#include "pipeline/folder_files.hpp"
#include "pipeline/run_config.hpp"
#include "pipeline/run_files.hpp"
#include "pipeline/run_loop.hpp"

namespace eddy::inline v0_1 {

namespace {

void note(const RunOptions& o, const std::string& text) {
  if (o.on_note) o.on_note(text);
}

// The file and the flags are looked at one by one, so that an error names the one at fault.
Json wishes_of(const RunOptions& o) {
  Json wishes = o.config_file.empty() ? Json::object() : read_json(o.config_file);
  if (!o.config_file.empty()) check_wishes(wishes, o.config_file);
  if (!o.config.empty()) {
    const Json more = parse_json(o.config, "config");
    check_wishes(more, "config");
    wishes = merged(std::move(wishes), more);
  }
  if (wishes.contains("data")) {  // these two follow from the data
    wishes["data"].erase("fingerprint");
    wishes["data"].erase("class_names");
  }
  return wishes;
}

// Whether a value may change between two parts of one run.
bool free_to_change(const std::string& path, const Json& before, const Json& after) {
  if (path == "/train/held_out_every") return (before == 0) == (after == 0);  // 0: those samples are trained on
  const auto free = {"/data/path",   "/train/steps",        "/train/save_every",
                     "/train/keep",  "/train/sample_every", "/train/held_out_samples"};
  return std::ranges::find(free, path) != free.end();
}

// What follows from others beside it and is told last: most changes of `data` change its fingerprint, and another schedule of
// the rate has other arguments.
bool follows(const std::string& key) { return key == "fingerprint" || (key.starts_with("lr_") && key != "lr_schedule"); }

// The first difference that may not be, with the place of it; "" when there is none.
struct Difference {
  std::string path{};
  Json before{}, after{};
};

Difference difference(const Json& before, const Json& after, const std::string& path) {
  if (before == after || free_to_change(path, before, after)) return {};
  if (!before.is_object() || !after.is_object()) return {path, before, after};
  Difference last;
  for (const auto& [key, value] : after.items()) {
    const Difference found = difference(before.contains(key) ? before[key] : Json(), value, path + "/" + key);
    if (found.path.empty()) continue;
    if (!follows(key)) return found;
    last = found;
  }
  return last;
}

void check_same(const Json& before, const Json& after, const std::string& source) {
  const Difference d = difference(before, after, "");
  if (d.path.empty()) return;
  const std::string way_out = "; choose another folder, or start again with --resume no --overwrite";
  if (d.path == "/data/fingerprint") {
    throw Error(source + ": the pictures of " + after["data"]["path"].get<std::string>() +
                " have changed since the run began" + way_out);
  }
  std::string name = d.path.substr(1);
  std::ranges::replace(name, '/', '.');
  throw Error(source + ": " + name + " was " + d.before.dump() + ", asked for is " + d.after.dump() + way_out);
}

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

std::string summary(const Data& data) {
  const Shape shape = data.train->sample_shape();
  std::string text = "data: " + std::to_string(data.train->size()) + " pictures of " + std::to_string(shape[0]) + " x " +
                     std::to_string(shape[1]) + (shape[2] == 1 ? ", gray" : ", colour");
  if (data.train->classes() > 0) text += ", " + std::to_string(data.train->classes()) + " classes";
  if (data.test) text += ", and " + std::to_string(data.test->size()) + " of a test part";
  if (data.skipped > 0) text += "; files skipped: " + std::to_string(data.skipped);
  return text;
}

// The configuration says what products are; the context's own are the wish of who says nothing.
RunOptions with_products(RunOptions o, Products products) {
  if ((products == Products::f32) != (o.context.products() == Products::f32)) o.context = o.context.with(products);
  return o;
}

// A run of another length keeps what followed from the first one, unless it is given anew.
void note_kept(const RunOptions& o, const Json& train, const Json& given, const std::string& source) {
  std::string text;
  for (const char* key : {"warmup", "ema_decay", "save_every", "sample_every", "held_out_every"}) {
    if (!train.contains(key) || given.contains(key)) continue;
    text += (text.empty() ? "" : ", ") + std::string(key) + " " + train[key].dump();
  }
  if (!text.empty()) note(o, text + " stay as they are in " + source + ", for " + train["steps"].dump() + " steps");
}

Json train_of(const std::string& config) {
  return config.empty() ? Json::object() : parse_json(config, "config").value("train", Json::object());
}

// Of what was asked for and changes nothing, or not what is meant by it.
void warn(const RunOptions& o, const RunConfig& c) {
  if (!o.on_warning) return;
  if (train_of(o.config).contains("min_snr_gamma") && c.loss.weighting != Weighting::min_snr) {
    o.on_warning("min_snr_gamma (--min-snr-gamma) counts for the losses min-snr and hybrid-min-snr alone; the run's loss is " +
                 run_config_to_json(c)["train"]["loss"].get<std::string>());
  }
  if (c.rate.warmup > 0 && c.rate.warmup >= c.train.steps) {
    o.on_warning("the rate does not come up to the learning rate: its warmup (--warmup) takes " + std::to_string(c.rate.warmup) +
                 " steps, the run has " + std::to_string(c.train.steps));
  }
}

RunResult begin(const RunOptions& asked, const std::string& path) {
  Json wishes = wishes_of(asked);
  if (asked.context.products() != Products::f32) wishes = merged({{"train", {{"products", "bf16"}}}}, wishes);
  const std::string source = asked.config_file.empty() ? "config" : asked.config_file;
  const Data data = open(wishes, source);
  note(asked, summary(data));
  if (asked.minutes > 0 && !(wishes.contains("train") && wishes["train"].contains("steps"))) wishes["train"]["steps"] = 100000;
  const auto completed = [&] {
    const Shape shape = data.train->sample_shape();
    RunConfig c = run_config_from_json(complete_run_config(wishes, shape, data.train->class_names()), source);
    c.fingerprint = hex(data.train->fingerprint());
    c.class_names = data.train->class_names();
    c.data_options.height = shape[0], c.data_options.width = shape[1], c.data_options.channels = static_cast<int>(shape[2]);
    return c;
  };
  RunConfig config = completed();
  const RunOptions o = with_products(asked, config.products);
  if (config.unet.num_class_embeds) {
    const std::int64_t rows = data.train->classes() + (config.train.label_dropout > 0 ? 1 : 0);
    if (*config.unet.num_class_embeds != rows) {
      throw Error(source + ": unet.num_class_embeds must be " + std::to_string(rows) + " (classes of the data" +
                  (config.train.label_dropout > 0 ? ", and one row for no label" : "") + "), got " +
                  std::to_string(*config.unet.num_class_embeds));
    }
  } else if (config.train.label_dropout > 0) {
    throw Error(source + ": train.label_dropout needs a model with classes");
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
  const Json reused = o.config_file.empty() ? Json::object() : read_json(o.config_file).value("train", Json::object());
  if (reused.contains("steps") && reused["steps"] != config.train.steps) {
    note_kept(o, reused, train_of(o.config), o.config_file);
  }
  warn(o, config);
  if (exists(path)) throw_away(o.out);  // not before all that was asked for has been looked at
  make_directories(o.out);
  write_json(path, run_config_to_json(config));
  return run->go();
}

// Where the run goes on; "" at its beginning. That a checkpoint is of this run, its place says.
std::string checkpoint_of(const RunOptions& o) {
  if (o.resume != Resume::checkpoint) return newest_checkpoint(o.out);
  const std::string folder = o.checkpoint.substr(0, o.checkpoint.find_last_not_of('/') + 1), own = join(o.out, "checkpoints");
  if (!same_path(parent(folder), own)) {
    throw Error(o.checkpoint + ": is not one of this run's checkpoints, which lie in " + own +
                "; to begin a run with the weights of another one, give train.from (--from)");
  }
  return folder;
}

RunResult go_on(const RunOptions& asked, const std::string& path) {
  if (asked.minutes > 0) note(asked, "the run has its number of steps: --minutes counts where a run begins, --steps extends it");
  kept_beside_model(join(asked.out, "model"));  // an Error now, not after the training
  const Json before = run_config_to_json(run_config_from_json(read_json(path), path));
  const Json wishes = wishes_of(asked);
  Json after = merged(before, wishes);
  const Data data = open(after, path);
  after["data"]["fingerprint"] = hex(data.train->fingerprint());
  check_same(before, run_config_to_json(run_config_from_json(after, path)), path);
  const RunConfig config = run_config_from_json(after, path);
  const RunOptions o = with_products(asked, config.products);
  const std::int64_t old_steps = before["train"]["steps"].get<std::int64_t>(), steps = config.train.steps;

  const std::string checkpoint = checkpoint_of(o);
  Run run(o, config, split(data, config));
  if (!checkpoint.empty()) run.restore(checkpoint);
  if (checkpoint.empty() && !config.from.empty()) run.take_weights(config.from);
  if (steps < run.step()) {
    throw Error(path + ": " + std::to_string(run.step()) + " steps are done, asked for are " + std::to_string(steps) +
                "; ask for more, go back to an older checkpoint (--resume FOLDER), or choose another folder");
  }
  if (run.step() == steps && steps == old_steps && model_steps(o.out) == steps) {
    const std::string picture = sample_file(o.out, steps);
    return {true, steps, join(o.out, "model"), exists(picture) ? picture : std::string{}};
  }
  if (run.step() > 0) note(o, "going on from step " + std::to_string(run.step()));
  if (const std::int64_t later = remove_checkpoints_after(o.out, run.step()); later > 0) {
    note(o, std::to_string(later) + " later checkpoints are removed");
  }
  if (steps > old_steps) {
    note(o, "extended from " + std::to_string(old_steps) + " to " + std::to_string(steps) +
                " steps; the rate is from here on that of a run of the new length");
  }
  if (steps < old_steps) note(o, "shortened from " + std::to_string(old_steps) + " to " + std::to_string(steps) + " steps");
  warn(o, config);
  if (steps != old_steps) note_kept(o, before["train"], wishes.value("train", Json::object()), path);
  write_json(path, run_config_to_json(config));
  return run.go();
}

}  // namespace

RunResult train_run(const RunOptions& o) {
  if (o.out.empty()) throw Error("train_run: which folder? give out (--out)");
  const std::string path = join(o.out, "config.json");
  if (path_kind(o.out) == PathKind::file) throw Error(o.out + ": is a file, a folder is needed");
  if (o.overwrite && o.resume != Resume::no) {
    throw Error("train_run: overwrite (--overwrite) needs --resume no, which begins again");
  }
  const bool used = exists(path);
  if (!used && path_kind(o.out) == PathKind::directory && !list_directory(o.out).empty()) {
    throw Error(o.out + ": holds other files and no config.json; choose an empty folder");
  }
  if (used && o.resume == Resume::no && !o.overwrite) {
    throw Error(o.out + ": holds a run; --resume no needs --overwrite to throw it away");
  }
  if (o.resume == Resume::checkpoint && path_kind(o.checkpoint) != PathKind::directory) {
    throw Error(o.checkpoint + ": there is no such checkpoint; --resume takes auto, no, or the folder of a checkpoint");
  }
  if (used && o.resume != Resume::no) return go_on(o, path);
  if (o.resume == Resume::checkpoint) throw Error(o.out + ": there is no run to resume");
  return begin(o, path);
}

}  // namespace eddy::inline v0_1
