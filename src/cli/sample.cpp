// eddy sample.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <tuple>

#include "cli/command.hpp"
#include "cli/progress.hpp"
#include "eddy/data.hpp"
#include "eddy/error.hpp"
#include "eddy/pipeline.hpp"

namespace eddy::cli {

namespace {

struct SampleFlags {
  std::string model, out, variant, size, trajectory, picture, mask, noise = "eddy", classes, products = "f32", seed = "0";
  int threads = 0;
  SampleOptions options;
};

namespace fs = std::filesystem;

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

bool ends_with(const std::string& text, const char* ending) { return lower(text).ends_with(ending); }

// The row of a class: by its number, else by its name.
std::int64_t class_of(const std::string& item, const Model& model) {
  const bool digits = !item.empty() && item.find_first_not_of("0123456789") == std::string::npos;
  if (digits && item.size() <= 9) return std::stoll(item);
  std::string known;
  for (std::size_t i = 0; i < model.class_names.size(); ++i) {
    if (lower(model.class_names[i]) == lower(item)) return static_cast<std::int64_t>(i);
    known += (i == 0 ? "" : ", ") + std::to_string(i) + " " + model.class_names[i];
  }
  throw Error("--class: there is no class '" + item + "'; the model " + (known.empty() ? "names none" : "has " + known));
}

std::vector<std::int64_t> class_list(const std::string& text, const Model& model) {
  std::vector<std::int64_t> result;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    result.push_back(class_of(text.substr(begin, end - begin), model));
    begin = end + 1;
  }
  return result;
}

std::uint64_t seed_of(const std::string& text) {
  std::uint64_t seed = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, code] = std::from_chars(text.data(), end, seed);
  if (code != std::errc() || rest != end) throw Error("--seed must be a whole number from 0 to 2^64 - 1, got " + text);
  return seed;
}

std::string above_zero(const std::string& given) {  // CLI11's own names a number of 309 digits as the limit
  const bool whole = !given.empty() && given.find_first_not_of("0123456789") == std::string::npos;
  return whole && given.find_first_not_of('0') != std::string::npos ? "" : "must be a whole number above 0, got " + given;
}

std::string not_negative(const std::string& given) {
  char* end = nullptr;
  const double value = std::strtod(given.c_str(), &end);
  return !given.empty() && *end == 0 && std::isfinite(value) && value >= 0 ? "" : "must be a number of at least 0, got " + given;
}

// A name, or what it may have been meant for: a class of diffusers', a slip of the pen.
std::string sampler_problem(const std::string& given) {
  std::vector<std::string> names;
  for (const auto& [name, about] : sampler_names()) names.push_back(name);
  if (std::ranges::count(names, given) > 0) return {};
  const std::string there_is_none = "there is no sampler " + given;
  for (const std::string& class_name : {given, given + "Scheduler"}) {
    try {
      const SchedulerConfig config(nlohmann::json{{"_class_name", class_name}}.dump());
      return there_is_none + "; " + config.class_name() + " is called " + config.name() + " here";
    } catch (const Error&) {  // no such class
    }
  }
  return there_is_none + meant_of(lower(given), names);
}

// Whether a file, or with / at its end a folder, can be made there: known before the work is done.
void check_place(const std::string& flag, const std::string& path) {
  std::error_code ignored;
  if (!path.ends_with('/')) {
    if (fs::is_directory(path, ignored)) throw Error(flag + " " + path + ": is a folder; give a file in it");
    const fs::path folder = fs::path(path).parent_path();
    if (!folder.empty() && !fs::is_directory(folder, ignored)) {
      throw Error(flag + " " + path + ": there is no folder " + folder.string());
    }
    return;
  }
  for (fs::path folder = fs::path(path).parent_path(); !folder.empty(); folder = folder.parent_path()) {
    if (fs::is_directory(folder, ignored)) return;
    if (fs::exists(folder, ignored)) throw Error(flag + " " + path + ": " + folder.string() + " is a file, not a folder");
  }
}

void check_places(const SampleFlags& f) {
  if (!ends_with(f.out, "/") && !ends_with(f.out, ".png") && !ends_with(f.out, ".npy")) {
    throw Error("--out must end in .png, .npy or / (a folder), got " + f.out);
  }
  check_place("--out", f.out);
  if (f.trajectory.empty()) return;
  if (!ends_with(f.trajectory, ".png")) throw Error("--trajectory must end in .png, got " + f.trajectory);
  if (f.trajectory == f.out) throw Error("--trajectory and --out are the same file, " + f.out);
  check_place("--trajectory", f.trajectory);
}

std::string counted(std::int64_t n, const std::string& what) { return std::to_string(n) + " " + what + (n == 1 ? "" : "s"); }

// A grid has a column for each class while all come in turn, and few enough.
int columns_of(const SampleFlags& f, const Model& model) {
  const std::size_t classes = model.class_names.size();
  const bool in_turn = f.classes.empty() && classes <= 16 && f.options.num >= static_cast<std::int64_t>(classes);
  return in_turn ? static_cast<int>(classes) : 0;
}

void write(const SampleFlags& f, const Samples& samples, int columns,
           const std::vector<std::pair<std::string, std::string>>& text) {
  const auto named = [](const std::string& path) { std::printf("%s\n", path.c_str()); };
  if (ends_with(f.out, "/")) {
    fs::create_directories(f.out);
    for (std::int64_t i = 0; i < f.options.num; ++i) {
      char name[32];
      std::snprintf(name, sizeof name, "%05lld.png", static_cast<long long>(i));
      save_png(f.out + name, samples.x.rows(i, 1), 1, text);
      named(f.out + name);
    }
  } else if (ends_with(f.out, ".npy")) {
    save_npy(f.out, samples.x);
    named(f.out);
  } else {
    save_png(f.out, samples.x, columns, text);
    named(f.out);
  }
  if (f.trajectory.empty()) return;
  save_png(f.trajectory, samples.trajectory, static_cast<int>(samples.trajectory.extent(0) / 2), text);
  named(f.trajectory);
}

// All that draws a picture again: flags by their names, and what was left to the model stays so.
std::vector<std::pair<std::string, std::string>> metadata(const SampleFlags& f, const Samples& samples) {
  const auto number = [](double value) { return nlohmann::json(value).dump(); };  // the shortest that reads back as the same
  const SampleOptions& o = f.options;
  std::vector<std::pair<std::string, std::string>> text{{"model", f.model},
                                                        {"variant", f.variant},
                                                        {"num", std::to_string(o.num)},
                                                        {"size", f.size},
                                                        {"class", f.classes},
                                                        {"guidance", number(o.guidance)},
                                                        {"sampler", samples.sampler},
                                                        {"steps", samples.steps > 0 ? std::to_string(samples.steps) : ""},
                                                        {"eta", o.eta ? number(*o.eta) : ""},
                                                        {"sigmas", o.sigmas},
                                                        {"spacing", o.spacing},
                                                        {"picture", f.picture},
                                                        {"mask", f.mask},
                                                        {"seed", std::to_string(o.seed)},
                                                        {"noise", f.noise},
                                                        {"products", f.products}};
  std::erase_if(text, [](const auto& item) { return item.second.empty(); });
  return text;
}

void take_picture(SampleFlags& f, const Model& model, const Context& context) {
  const UNetConfig& u = model.unet.config();
  const std::int64_t height = f.options.height > 0 ? f.options.height : u.sample_height;
  const std::int64_t width = f.options.width > 0 ? f.options.width : u.sample_width;
  if (height < 1) return;  // an error of sample
  const auto load = [&](const std::string& path, std::int64_t channels) {
    return load_picture(path, static_cast<int>(channels), height, width, context);
  };
  if (!f.picture.empty()) f.options.picture = load(f.picture, u.in_channels);
  if (f.mask.empty()) return;
  f.options.mask = load(f.mask, 1);
  for (float& v : f.options.mask.mutable_values()) v = v < 0 ? 0.0f : 1.0f;
}

// The library tells values by its functions: "timesteps: the number of steps must be in 1 to 1000, got 1001" becomes
// "--steps: the number of steps must be ...".
std::string by_flag(const std::string& message, const SampleOptions& o) {
  const std::size_t colon = message.find(": ");
  if (colon == std::string::npos || message.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789") != colon) return message;
  const std::string rest = message.substr(colon);
  if (o.steps > 0 && rest.ends_with(", got " + std::to_string(o.steps))) return "--steps" + rest;
  return o.eta && rest.starts_with(": eta must be ") ? "--eta" + rest : message;
}

Samples sample_by_flags(const Model& model, const SampleOptions& o) try {
  return sample(model, o);
} catch (const Cancelled&) {
  throw;
} catch (const Error& e) {
  throw Error(by_flag(e.what(), o));
}

void run(SampleFlags& f, const CancelToken& cancel) {
  check_places(f);
  SampleOptions& o = f.options;
  o.seed = seed_of(f.seed);
  if (!f.size.empty()) std::tie(o.height, o.width) = size_of(f.size);
  const Context context = use_context(f.threads, f.products == "bf16" ? Products::bf16 : Products::f32);
  if (f.noise == "torch") o.torch_noise = TorchVariant::a;
  if (f.noise == "torch-arm64") o.torch_noise = TorchVariant::c;
  o.no_class = f.classes == "none";
  o.trajectory = !f.trajectory.empty();
  o.cancel = cancel;
  Progress progress("it");
  o.on_progress = [&](std::int64_t done, std::int64_t of) { progress.show(done, of); };
  const Model model = load_model(f.model, context, f.variant);
  if (!f.classes.empty() && !o.no_class) o.classes = class_list(f.classes, model);
  take_picture(f, model, context);
  const Samples samples = sample_by_flags(model, o);
  progress.line("eddy: " + counted(o.num, "sample") + ", " + samples.sampler + ", " +
                (samples.steps > 0 ? counted(samples.steps, "step") + ", " : "") + "seed " + std::to_string(o.seed));
  write(f, samples, columns_of(f, model), metadata(f, samples));
}

}  // namespace

void add_sample(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("sample", "Draw samples from a model");
  std::string samplers = "Samplers:\n";
  for (const auto& [name, about] : sampler_names()) {
    samplers += "  " + name + std::string(name.size() < 22 ? 22 - name.size() : 1, ' ') + about + "\n";
  }
  command->footer(
      samplers +
      "\nExamples:\n"
      "  eddy sample models/fashion-mnist --class 9 --out boots.png\n"
      "  eddy sample runs/fashion --out grid.png --num 40 --seed 7 --trajectory strip.png\n"
      "  eddy sample runs/fashion --out grid.png --class 7,8,9 --sampler ddpm --steps 50 --guidance 2\n"
      "  eddy sample runs/fashion --out samples.npy --num 1000 --batch-size 50");
  auto f = std::make_shared<SampleFlags>();
  SampleOptions& o = f->options;
  command->add_option("model", f->model, "a model folder, or a run")->required();
  command->add_option("--out", f->out, "FILE.png: one grid; FOLDER/: single pictures; FILE.npy: float32 (N,H,W,C), -1 to 1")->required();
  command->add_option("--variant", f->variant, "of the weights, as fp16 [those without a name]");
  command->add_option("--num", o.num, "samples")->capture_default_str()->check(above_zero);
  command->add_option("--batch-size", o.batch_size, "samples at a time; changes no byte")->capture_default_str()->check(above_zero);
  command->add_option("--size", f->size, "pictures of N x N or H x W [the model's]")->check(size_problem);
  command->add_option("--steps", o.steps,
                      "steps of the sampler; dpm_adaptive takes none [50; ddpm, score_ve: all of training; score_vp: 1000 of "
                      "them; repaint: 250; ipndm: 100; flows: 28; unclip: 25; lcm, tcd: 4; scm: 2; consistency: 1]")
      ->check(above_zero);
  command->add_option("--sampler", o.sampler, "one of the samplers below [the model's]")->check(sampler_problem);
  command->add_option("--eta", o.eta, "noise of samplers that have it: 0 none, 1 as much as ddpm; ddim, repaint, tcd: at most 1")
      ->check(not_negative);
  command->add_option("--sigmas", o.sigmas, "where a sampler that walks sigmas has them [the sampler's]")
      ->check(CLI::IsMember(sigma_names()));
  command->add_option("--spacing", o.spacing, "where timesteps are [the sampler's]")
      ->check(CLI::IsMember({"linspace", "leading", "trailing"}));
  command->add_option("--class", f->classes, "classes in turn, by number or name: 9 or 7,bag; none: no label [every class in turn]");
  command->add_option("--guidance", o.guidance, "u + X (c - u); 1 is off")->capture_default_str();
  command->add_option("--seed", f->seed, "seed")->capture_default_str();
  command->add_option("--noise", f->noise, "eddy, or that of torch.randn on the CPU: torch (x86-64), torch-arm64")
      ->capture_default_str()
      ->check(CLI::IsMember({"eddy", "torch", "torch-arm64"}));
  command->add_option("--picture", f->picture, "FILE: of repaint, the picture whose known part stays;\n"
                      "of ddim_inverse and dpmpp_2m_inverse, whose noise is sought");
  command->add_option("--mask", f->mask, "repaint: FILE, white where the picture is known, black where it is to be made");
  command->add_option("--products", f->products, "f32, or bf16: factors of products rounded to bfloat16")
      ->capture_default_str()
      ->check(CLI::IsMember({"f32", "bf16"}));
  command->add_option("--threads", f->threads, "threads; changes no byte [all CPUs]");
  command->add_option("--trajectory", f->trajectory, "FILE.png: sample 0 on its way, noisy above, predicted below");
  command->callback([f, &action] { action = [f](const CancelToken& cancel) { run(*f, cancel); }; });
}

}  // namespace eddy::cli
