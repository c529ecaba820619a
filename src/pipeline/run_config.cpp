// Reading, writing and completing RUN/config.json.
#include "pipeline/run_config.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "eddy/error.hpp"
#include "pipeline/names.hpp"
#include "pipeline/scheduler/config.hpp"
#include "pipeline/unet_config.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr Name<LossKind> kLosses[]{{"mse", {}},
                                   {"snr", {Weighting::snr}},
                                   {"min-snr", {Weighting::min_snr}},
                                   {"hybrid", {.learned_range = true}},
                                   {"hybrid-min-snr", {Weighting::min_snr, true}}};
constexpr Name<Products> kProducts[]{{"f32", Products::f32}, {"bf16", Products::bf16}};
constexpr std::int64_t kMost = std::int64_t{1} << 40;

Json object_of(const Json& json, const char* key, const std::string& source) {
  if (!json.contains(key)) return Json::object();
  if (!json.at(key).is_object()) throw Error(source + ": " + key + " must be an object");
  return json.at(key);
}

void read_optimizer(JsonFields& f, OptimizerOptions& o) {
  o.beta1 = f.number("adam_beta1", o.beta1);
  o.beta2 = f.number("adam_beta2", o.beta2);
  o.eps = f.number("adam_eps", o.eps);
  o.weight_decay = f.number("weight_decay", o.weight_decay);
  if (!(o.beta1 >= 0 && o.beta1 < 1)) f.refuse("adam_beta1", "in [0, 1)");
  if (!(o.beta2 >= 0 && o.beta2 < 1)) f.refuse("adam_beta2", "in [0, 1)");
  if (!(o.eps > 0)) f.refuse("adam_eps", "above 0");
  if (!(o.weight_decay >= 0)) f.refuse("weight_decay", "at least 0");
}

void read_ema(JsonFields& f, EmaOptions& e) {
  e.decay = f.number("ema_decay", e.decay);
  e.min_decay = f.number("ema_min_decay", e.min_decay);
  e.update_after_step = f.integer("ema_update_after_step", e.update_after_step, -1, kMost);
  e.power = f.number("ema_power", e.power);
  e.inv_gamma = f.number("ema_inv_gamma", e.inv_gamma);
  if (!(e.decay >= 0 && e.decay < 1)) f.refuse("ema_decay", "in [0, 1)");
  if (!(e.min_decay >= 0)) f.refuse("ema_min_decay", "at least 0");
  if (!(e.power >= 0)) f.refuse("ema_power", "at least 0");
  if (!(e.inv_gamma > 0)) f.refuse("ema_inv_gamma", "above 0");
}

void read_train(const Json& json, const std::string& source, RunConfig& c) {
  JsonFields f(json, source);
  TrainOptions& t = c.train;
  t.steps = f.integer("steps", t.steps, 1, kMost);
  t.batch_size = f.integer("batch_size", t.batch_size, 1, 1 << 20);
  t.accumulate = f.integer("accumulate", t.accumulate, 1, 1 << 20);
  t.learning_rate = f.number("learning_rate", t.learning_rate);
  // All that train() would refuse, before a run's folder is written.
  if (!(t.learning_rate > 0)) f.refuse("learning_rate", "above 0");
  c.rate = read_rate(f);
  t.max_grad_norm = f.number("max_grad_norm", t.max_grad_norm);
  if (!(t.max_grad_norm >= 0)) f.refuse("max_grad_norm", "at least 0");
  read_optimizer(f, c.optimizer);
  read_ema(f, t.ema);
  t.seed = static_cast<std::uint64_t>(f.integer("seed", 0, 0, std::numeric_limits<std::int64_t>::max()));
  t.flip = f.boolean("flip", t.flip);
  t.label_dropout = f.number("label_dropout", t.label_dropout);
  if (!(t.label_dropout >= 0 && t.label_dropout <= 1)) f.refuse("label_dropout", "in [0, 1]");
  c.loss = named(f, "loss", f.text("loss", "mse"), kLosses);
  c.min_snr_gamma = f.number("min_snr_gamma", c.min_snr_gamma);
  if (!(c.min_snr_gamma > 0)) f.refuse("min_snr_gamma", "above 0");
  c.products = named(f, "products", f.text("products", "f32"), kProducts);
  c.save_every = f.integer("save_every", c.save_every, 0, kMost);
  c.keep = f.integer("keep", c.keep, 1, kMost);
  c.sample_every = f.integer("sample_every", c.sample_every, 0, kMost);
  c.held_out_every = f.integer("held_out_every", c.held_out_every, 0, kMost);
  c.held_out_samples = f.integer("held_out_samples", c.held_out_samples, 1, kMost);
  c.from = f.text("from", "");
  f.finish();
}

// What of a whole `train` must fit together.
void finish_train(const Json& json, const std::string& source, RunConfig& c) {
  const JsonFields f(json, source);
  const EmaOptions& e = c.train.ema;
  if (e.min_decay > e.decay) f.refuse("ema_min_decay", "at most ema_decay");
  if (e.power == 0 && e.inv_gamma != 1) f.refuse("ema_inv_gamma", "1 where ema_power is 0");
  check_rate(c.rate, f, c.train.learning_rate);
  c.train.rate_schedule = rate_schedule_of(c.rate, c.train.learning_rate);
}

// Channels by the size of the picture: about one level for each halving down to 7 or 8 pixels.
Json default_unet(const Shape& shape, const std::vector<std::string>& classes, bool no_label, bool hybrid) {
  const std::int64_t size = std::max(shape[0], shape[1]), channels = shape[2];
  std::vector<std::int64_t> widths{32, 64, 64};
  if (size > 32) widths = {64, 128, 128, 192};
  if (size > 64) widths = {64, 64, 128, 192, 256};
  std::vector<std::string> down(widths.size(), "DownBlock2D"), up(widths.size(), "UpBlock2D");
  down.back() = "AttnDownBlock2D";
  up.front() = "AttnUpBlock2D";
  Json json{{"in_channels", channels},         {"out_channels", hybrid ? 2 * channels : channels},
            {"block_out_channels", widths},    {"down_block_types", down},
            {"up_block_types", up},            {"layers_per_block", size > 32 ? 2 : 1},
            {"attention_head_dim", 32},        {"norm_num_groups", 8}};
  json["sample_size"] = shape[0] == shape[1] ? Json(shape[0]) : Json({shape[0], shape[1]});
  if (!classes.empty()) json["num_class_embeds"] = static_cast<std::int64_t>(classes.size()) + (no_label ? 1 : 0);
  return json;
}

// A run draws samples without a picture.
void check_grids(const RunConfig& c, const std::string& source) {
  if (!c.scheduler.state().row->takes.picture) return;
  throw Error(source + ": scheduler: " + c.scheduler.class_name() +
              " needs a picture, which a run's samples have not; name another, as DDIMScheduler");
}

// A run tells the network the timesteps of its scheduler, from 0 on.
void check_times(const RunConfig& c, const std::string& source) {
  if (c.unet.time_embedding_type == TimeEmbedding::fourier) {
    throw Error(source + ": unet: time_embedding_type: must be positional or learned, as the steps of a run begin at 0, whose "
                         "logarithm fourier would take");
  }
  if (c.unet.time_embedding_type != TimeEmbedding::learned) return;
  const int steps = schedule_of(c.scheduler).steps();
  const std::int64_t rows = c.unet.num_train_timesteps.value_or(0);
  if (rows < steps) {
    throw Error(source + ": unet: num_train_timesteps: must be at least the " + std::to_string(steps) +
                " steps of the scheduler for a learned time embedding, got " + std::to_string(rows));
  }
}

}  // namespace

Json merged(Json base, const Json& over) {
  if (!base.is_object() || !over.is_object()) return over;
  if (over.contains("lr_schedule")) forget_arguments(base, over.at("lr_schedule"));
  for (const auto& [key, value] : over.items()) base[key] = base.contains(key) ? merged(base[key], value) : value;
  return base;
}

DataOptions data_options_of(const Json& config, const std::string& source) {
  const Json json = object_of(config, "data", source);
  JsonFields f(json, source + ": data");
  f.raw("path");
  f.raw("fingerprint");
  f.raw("class_names");
  DataOptions o;
  o.height = f.integer("height", 0, 0, 1 << 16);
  o.width = f.integer("width", 0, 0, 1 << 16);
  o.channels = static_cast<int>(f.integer("channels", 0, 0, 3));
  o.class_folders = f.boolean("class_folders", false);
  f.finish();
  return o;
}

void check_wishes(const Json& json, const std::string& source) {
  if (!json.is_object()) throw Error(source + ": must be an object");
  JsonFields top(json, source);
  for (const char* key : {"data", "unet", "scheduler", "train"}) {
    top.raw(key);
    object_of(json, key, source);
  }
  top.finish();
  data_options_of(json, source);
  RunConfig unused;
  read_train(object_of(json, "train", source), source + ": train", unused);
}

RunConfig run_config_from_json(const Json& json, const std::string& source) {
  if (!json.is_object()) throw Error(source + ": must be an object");
  RunConfig c;
  JsonFields top(json, source);
  for (const char* key : {"data", "unet", "scheduler", "train"}) top.raw(key);
  top.finish();
  const Json data = object_of(json, "data", source);
  JsonFields f(data, source + ": data");
  c.data = f.text("path", "");
  c.fingerprint = f.text("fingerprint", "");
  c.class_names = f.texts("class_names", {});
  c.data_options = data_options_of(json, source);
  c.unet = unet_config_from_json(object_of(json, "unet", source), source + ": unet");
  c.scheduler = SchedulerConfig(json_text(object_of(json, "scheduler", source)), source + ": scheduler");
  for (const std::string& key : c.scheduler.unknown_fields()) throw Error(source + ": scheduler: unknown key '" + key + "'");
  const Json train = object_of(json, "train", source);
  read_train(train, source + ": train", c);
  finish_train(train, source + ": train", c);
  check_times(c, source);
  check_grids(c, source);
  return c;
}

Json run_config_to_json(const RunConfig& c) {
  const TrainOptions& t = c.train;
  Json train{{"steps", t.steps},
             {"batch_size", t.batch_size},
             {"accumulate", t.accumulate},
             {"learning_rate", t.learning_rate},
             {"max_grad_norm", t.max_grad_norm},
             {"ema_decay", t.ema.decay},
             {"ema_min_decay", t.ema.min_decay},
             {"ema_update_after_step", t.ema.update_after_step},
             {"ema_power", t.ema.power},
             {"ema_inv_gamma", t.ema.inv_gamma},
             {"adam_beta1", c.optimizer.beta1},
             {"adam_beta2", c.optimizer.beta2},
             {"adam_eps", c.optimizer.eps},
             {"weight_decay", c.optimizer.weight_decay},
             {"seed", t.seed},
             {"flip", t.flip},
             {"label_dropout", t.label_dropout},
             {"loss", name_of(c.loss, kLosses)},
             {"min_snr_gamma", c.min_snr_gamma},
             {"products", name_of(c.products, kProducts)},
             {"save_every", c.save_every},
             {"keep", c.keep},
             {"sample_every", c.sample_every},
             {"held_out_every", c.held_out_every},
             {"held_out_samples", c.held_out_samples},
             {"from", c.from}};
  write_rate(c.rate, train);
  return {{"data",
           {{"path", c.data},
            {"height", c.data_options.height},
            {"width", c.data_options.width},
            {"channels", c.data_options.channels},
            {"class_folders", c.data_options.class_folders},
            {"fingerprint", c.fingerprint},
            {"class_names", c.class_names}}},
          {"unet", unet_config_to_json(c.unet)},
          {"scheduler", parse_json(c.scheduler.json(), "scheduler")},
          {"train", train}};
}

Json complete_run_config(const Json& wishes, const Shape& shape, const std::vector<std::string>& class_names) {
  const Json train = object_of(wishes, "train", "config");
  const Json loss = train.value("loss", Json("mse"));
  const bool hybrid = loss == "hybrid" || loss == "hybrid-min-snr";
  const Json dropout = train.value("label_dropout", Json(0.0));
  const bool no_label = dropout.is_number() && dropout.get<double>() > 0;
  const Json prediction =
      object_of(wishes, "scheduler", "config").value("prediction_type", Json(hybrid ? "epsilon" : "v_prediction"));
  // A noise prediction's x0 is useless unlimited where alpha is small. The others need no limit, and guided DDIM, which
  // would limit x0 and not eps, draws torn shapes with one.
  Json base{{"unet", default_unet(shape, class_names, no_label, hybrid)},
            {"scheduler",
             {{"_class_name", hybrid ? "DDPMScheduler" : "DDIMScheduler"},
              {"beta_schedule", "squaredcos_cap_v2"},
              {"prediction_type", prediction},
              {"clip_sample", prediction == "epsilon"},
              {"timestep_spacing", "trailing"}}},
            {"train", {{"steps", 6000}, {"batch_size", 32}, {"learning_rate", 2e-3}}}};
  if (hybrid) base["scheduler"]["variance_type"] = "learned_range";
  Json config = merged(std::move(base), wishes);
  Json& t = config["train"];
  if (t["steps"].is_number_integer()) {  // what follows from the length of the run
    const std::int64_t steps = std::max<std::int64_t>(1, t["steps"].get<std::int64_t>());
    const Json rate = t.value("lr_schedule", Json("cosine"));
    const bool rises = rate.is_string() && takes_argument(rate.get<std::string>(), "warmup");
    if (rises && !t.contains("warmup")) t["warmup"] = std::min<std::int64_t>(500, steps / 20);
    // An average that remembers a tenth of the steps.
    if (!t.contains("ema_decay")) t["ema_decay"] = std::clamp(1 - 1 / (0.1 * static_cast<double>(steps)), 0.0, 0.9999);
    const std::int64_t tenth = std::min<std::int64_t>((steps + 9) / 10, 1000);
    for (const char* key : {"save_every", "sample_every", "held_out_every"}) {
      if (!t.contains(key)) t[key] = tenth;
    }
  }
  return config;
}

void fit_steps(Json& train, const RunConfig& config, const Pace& pace, double seconds) {
  double once = 0, each = pace.step;  // seconds of one round of what happens every so often, and of a step
  const auto plan = [&](const char* key, double cost, std::int64_t every) {
    if (!train.contains(key)) once += cost;
    if (train.contains(key) && every > 0) each += cost / static_cast<double>(every);
  };
  plan("held_out_every", pace.held_out, config.held_out_every);
  plan("sample_every", pace.grid, config.sample_every);
  const std::int64_t rounds = once > 0 ? std::clamp<std::int64_t>(static_cast<std::int64_t>(0.1 * seconds / once), 1, 10) : 10;
  const double left = 0.97 * seconds - static_cast<double>(rounds) * once;
  const std::int64_t steps = std::max<std::int64_t>(1, static_cast<std::int64_t>(left / each));
  train["steps"] = steps;
  for (const char* key : {"held_out_every", "sample_every"}) {
    if (!train.contains(key)) train[key] = (steps + rounds - 1) / rounds;
  }
}

}  // namespace eddy::inline v0_1
