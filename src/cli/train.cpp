// eddy train.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "cli/command.hpp"
#include "cli/progress.hpp"
#include "eddy/error.hpp"
#include "eddy/pipeline.hpp"

namespace eddy::cli {

namespace {

using Json = nlohmann::json;

// A flag that, when given, sets a place of config.json.
struct Wish {
  CLI::Option* option;
  std::function<void(Json&)> write;
};

struct TrainFlags {
  RunOptions run;
  int threads = 0;
  std::string resume = "auto";
  std::vector<Wish> wishes;
};

// JSON has no other numbers, and would make them null, which is the default.
std::string finite(const std::string& given) {
  char* end = nullptr;
  const double value = std::strtod(given.c_str(), &end);
  return *end == 0 && std::isfinite(value) ? std::string{} : "must be a number, got " + given;
}

std::string above_zero(const std::string& given) {
  const std::string wrong = finite(given);
  return wrong.empty() && std::atof(given.c_str()) <= 0 ? "must be above 0, got " + given : wrong;
}

// Declares a flag whose value goes to /section/key.
template <class T>
CLI::Option* wish(CLI::App& app, TrainFlags& flags, const std::string& name, const std::string& section, const std::string& key,
                  const std::string& help, const std::string& otherwise) {
  auto value = std::make_shared<T>();
  CLI::Option* option = app.add_option(name, *value, help + (otherwise.empty() ? "" : " [" + otherwise + "]"));
  if constexpr (std::is_same_v<T, double>) option->check(finite);
  flags.wishes.push_back({option, [=](Json& json) { json[section][key] = *value; }});
  return option;
}

void switch_wish(CLI::App& app, TrainFlags& flags, const std::string& name, const std::string& section, const std::string& key,
                 const std::string& help) {
  CLI::Option* option = app.add_flag(name, help);
  flags.wishes.push_back({option, [=](Json& json) { json[section][key] = true; }});
}

void size_wish(CLI::App& app, TrainFlags& flags) {
  auto text = std::make_shared<std::string>();
  CLI::Option* option = app.add_option("--size", *text, "pictures of a folder are brought to N x N or H x W [the first one's]");
  option->check(size_problem);
  flags.wishes.push_back({option, [text](Json& json) {
                            const auto [h, w] = size_of(*text);
                            json["data"]["height"] = h;
                            json["data"]["width"] = w;
                          }});
}

void schedule_wish(CLI::App& app, TrainFlags& flags) {
  auto name = std::make_shared<std::string>();
  CLI::Option* option = app.add_option("--schedule", *name, "betas: linear, scaled_linear, cosine or sigmoid [cosine]");
  option->check(CLI::IsMember({"linear", "scaled_linear", "cosine", "squaredcos_cap_v2", "sigmoid"}));
  flags.wishes.push_back({option, [name](Json& json) {
                            json["scheduler"]["beta_schedule"] = *name == "cosine" ? "squaredcos_cap_v2" : *name;
                          }});
}

void declare_optimiser(CLI::App& app, TrainFlags& f) {
  const auto whole = [&](const char* name, const char* key, const char* help, const char* otherwise) {
    wish<std::int64_t>(app, f, name, "train", key, help, otherwise);
  };
  const auto real = [&](const char* name, const char* key, const char* help, const char* otherwise) {
    wish<double>(app, f, name, "train", key, help, otherwise);
  };
  real("--lr", "learning_rate", "learning rate", "0.002");
  wish<std::string>(app, f, "--lr-schedule", "train", "lr_schedule", "how the rate changes, by diffusers' names", "cosine")
      ->check(CLI::IsMember({"constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial",
                             "piecewise_constant"}));
  whole("--warmup", "warmup", "steps in which the rate rises from 0", "5 % of the steps, at most 500");
  whole("--lr-steps", "lr_steps", "steps over which the rate falls; 0: those of the run", "0");
  real("--lr-cycles", "lr_cycles", "periods of cosine, or how often cosine_with_restarts falls", "0.5, or 1");
  real("--lr-power", "lr_power", "power of polynomial", "1");
  real("--lr-end", "lr_end", "last rate of polynomial", "1e-7");
  wish<std::string>(app, f, "--lr-rules", "train", "lr_rules",
                    "factors of piecewise_constant: 1:1000,0.1:5000,0.01 is 1 below step 1000, 0.1 below 5000, then 0.01", "");
  real("--adam-beta1", "adam_beta1", "how much the mean of the gradient keeps", "0.9");
  real("--adam-beta2", "adam_beta2", "how much the mean of its square keeps", "0.999");
  real("--adam-eps", "adam_eps", "what keeps AdamW from dividing by 0", "1e-8");
  real("--weight-decay", "weight_decay", "weight decay of AdamW", "0");
  real("--max-grad-norm", "max_grad_norm", "clip the gradient to this norm; 0: never", "1");
  real("--ema-decay", "ema_decay", "what the moving average of the weights keeps at most", "remembers a tenth of the steps, at most 0.9999");
  real("--ema-min-decay", "ema_min_decay", "what it keeps at least", "0");
  real("--ema-power", "ema_power", "it keeps 1 - (1 + s / inv_gamma)^-power after s steps; 0: (1 + s) / (10 + s)", "0");
  real("--ema-inv-gamma", "ema_inv_gamma", "inv_gamma of --ema-power", "1");
  whole("--ema-update-after-step", "ema_update_after_step",
        "it is a copy of the weights for one step more than this; 0: as in EMAModel, -1: never", "-1");
}

void declare(CLI::App& app, TrainFlags& f) {
  const auto add = [&]<class T>(T, const char* name, const char* section, const char* key, const char* help, const char* otherwise) {
    return wish<T>(app, f, name, section, key, help, otherwise);
  };
  const std::string text;
  const std::int64_t whole = 0;
  const double real = 0;
  add(text, "--data", "data", "path", "fashion-mnist, a folder of IDX files, of CIFAR-10 batches or of pictures", "");
  app.add_option("--out", f.run.out, "folder of the run; the same command again goes on where it stopped")->required();
  app.add_option("--config", f.run.config_file, "JSON in the form of RUN/config.json; flags win over it");
  add(text, "--from", "train", "from", "begin with the weights of this model", "");
  CLI::Option* steps = add(whole, "--steps", "train", "steps", "steps in all", "6000");
  app.add_option("--minutes", f.run.minutes, "train for about so long instead")->excludes(steps)->check(above_zero);
  add(whole, "--batch-size", "train", "batch_size", "samples of a micro-batch", "32");
  add(whole, "--accumulate", "train", "accumulate", "micro-batches of a step", "1");
  declare_optimiser(app, f);
  add(whole, "--seed", "train", "seed", "seed of everything", "0");
  add(text, "--products", "train", "products", "f32, or bf16: factors of products rounded to bfloat16", "f32")
      ->check(CLI::IsMember({"f32", "bf16"}));
  app.add_option("--threads", f.threads, "threads; changes no byte [all CPUs]");
  add(whole, "--save-every", "train", "save_every", "steps between checkpoints; 0: only at the end", "a tenth of the steps, at most 1000");
  add(whole, "--keep", "train", "keep", "checkpoints that are kept", "3");
  add(whole, "--sample-every", "train", "sample_every", "steps between grids of samples; 0: none", "a tenth of the steps, at most 1000");
  add(whole, "--held-out-every", "train", "held_out_every", "steps between held-out losses; 0: none", "a tenth of the steps, at most 1000");
  app.add_option("--resume", f.resume, "auto, no, or the folder of a checkpoint")->capture_default_str();
  app.add_flag("--overwrite", f.run.overwrite, "with --resume no: throw an existing run away");
  size_wish(app, f);
  add(whole, "--channels", "data", "channels", "1 (gray) or 3, for pictures of a folder", "3")->check(CLI::IsMember({1, 3}));
  switch_wish(app, f, "--class-folders", "data", "class_folders", "sub-folders are classes");
  switch_wish(app, f, "--flip", "train", "flip", "mirror every other picture");
  schedule_wish(app, f);
  add(text, "--prediction", "scheduler", "prediction_type", "epsilon, sample or v_prediction", "v_prediction; epsilon for hybrid")
      ->check(CLI::IsMember({"epsilon", "sample", "v_prediction"}));
  add(text, "--loss", "train", "loss", "mse, snr, min-snr, hybrid (learns the variance too), or hybrid-min-snr", "mse")
      ->check(CLI::IsMember({"mse", "snr", "min-snr", "hybrid", "hybrid-min-snr"}));
  add(real, "--min-snr-gamma", "train", "min_snr_gamma", "limit of min-snr", "5");
  add(real, "--label-dropout", "train", "label_dropout", "chance that a label is hidden: guidance needs it", "0");
  for (const auto& [group, names] : std::vector<std::pair<const char*, std::vector<const char*>>>{
           {"Data", {"--data", "--size", "--channels", "--class-folders", "--flip"}},
           {"Model", {"--from", "--schedule", "--prediction", "--loss", "--min-snr-gamma", "--label-dropout"}},
           {"Optimiser", {"--steps", "--minutes", "--batch-size", "--accumulate", "--lr", "--lr-schedule", "--warmup",
                          "--lr-steps", "--lr-cycles", "--lr-power", "--lr-end", "--lr-rules", "--adam-beta1", "--adam-beta2", "--adam-eps",
                          "--weight-decay", "--max-grad-norm", "--ema-decay", "--ema-min-decay", "--ema-power", "--ema-inv-gamma",
                          "--ema-update-after-step", "--products"}}}) {
    for (const char* name : names) app.get_option(name)->group(group);
  }
  for (CLI::Option* option : app.get_options([](const CLI::Option* each) { return each->get_group() == "Options"; })) {
    if (option != app.get_help_ptr()) option->group("Run");
  }
}

// The library tells a value by its place in config.json, which for a flag's is not where it was given: "config: train: steps:
// must be ..., got 0" becomes "--steps: must be ..., got 0".
std::string by_flag(const std::string& message, const TrainFlags& f) {
  for (const Wish& w : f.wishes) {
    if (w.option->count() == 0) continue;
    Json given = Json::object();
    w.write(given);
    for (const auto& [section, values] : given.items()) {
      for (const auto& [key, value] : values.items()) {
        const std::string place = ": " + section + ": " + key, other = ": " + section + "." + key;
        const std::size_t must = message.find(place + ": must be "), needs = message.find(other + " needs ");
        const bool own = must != std::string::npos && message.ends_with(", got " + value.dump());
        if (own) return w.option->get_name() + message.substr(must + place.size());
        if (needs != std::string::npos) return w.option->get_name() + message.substr(needs + other.size());
      }
    }
  }
  return message;
}

RunResult train_by_flags(const TrainFlags& f) try {
  return train_run(f.run);
} catch (const Cancelled&) {
  throw;
} catch (const Error& e) {
  throw Error(by_flag(e.what(), f));
}

void run(TrainFlags& f, const CancelToken& cancel) {
  Json wishes = Json::object();
  for (const Wish& w : f.wishes) {
    if (w.option->count() > 0) w.write(wishes);
  }
  f.run.config = wishes.dump();
  f.run.resume = f.resume == "auto" ? Resume::automatic : f.resume == "no" ? Resume::no : Resume::checkpoint;
  if (f.run.resume == Resume::checkpoint) f.run.checkpoint = f.resume;
  f.run.context = use_context(f.threads);
  Progress progress("it");
  f.run.cancel = cancel;
  f.run.on_note = [&](const std::string& text) { progress.line("eddy: " + text); };
  f.run.on_warning = [&](const std::string& text) { progress.line("eddy: warning: " + text); };
  f.run.on_step = [&](const TrainReport& r, std::int64_t steps, double) {
    char more[60];
    std::snprintf(more, sizeof more, "  loss %.4f", r.loss);
    progress.show(r.step, steps, more);
  };
  const RunResult result = train_by_flags(f);
  if (result.was_finished) progress.line("eddy: the run is finished (" + std::to_string(result.steps) + " steps); more --steps extend it");
  std::printf("%s\n", result.model.c_str());
  if (!result.grid.empty()) std::printf("%s\n", result.grid.c_str());
}

}  // namespace

void add_train(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("train", "Train a U-Net on pictures");
  command->footer(
      "Examples:\n"
      "  eddy train --data fashion-mnist --out runs/fashion --minutes 10 --label-dropout 0.1\n"
      "  eddy train --data photos --size 64 --flip --out runs/photos --steps 50000\n"
      "  eddy train --config runs/fashion/config.json --out runs/again");
  auto flags = std::make_shared<TrainFlags>();
  declare(*command, *flags);
  command->callback([flags, &action] { action = [flags](const CancelToken& cancel) { run(*flags, cancel); }; });
}

}  // namespace eddy::cli
