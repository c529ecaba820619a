// eddy sample.
#include <cstdio>
#include <filesystem>
#include <memory>

#include "cli/command.hpp"
#include "cli/progress.hpp"
#include "eddy/data.hpp"
#include "eddy/error.hpp"
#include "eddy/pipeline.hpp"

namespace eddy::cli {

namespace {

struct SampleFlags {
  std::string model, out, trajectory, sampler, noise = "eddy", classes, products = "f32";
  int threads = 0;
  SampleOptions options;
};

std::vector<std::int64_t> class_list(const std::string& text) {
  std::vector<std::int64_t> result;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string item = text.substr(begin, end - begin);
    if (item.empty() || item.find_first_not_of("0123456789") != std::string::npos || item.size() > 9) {
      throw Error("--class must be numbers with commas between, or none; got " + text);
    }
    result.push_back(std::stoll(item));
    begin = end + 1;
  }
  return result;
}

bool ends_with(const std::string& text, const char* ending) { return text.ends_with(ending); }

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
    std::filesystem::create_directories(f.out);
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

void run(SampleFlags& f, const CancelToken& cancel) {
  if (!ends_with(f.out, "/") && !ends_with(f.out, ".png") && !ends_with(f.out, ".npy")) {
    throw Error("--out must end in .png, .npy or / (a folder), got " + f.out);
  }
  const Context context = use_context(f.threads, f.products == "bf16" ? Products::bf16 : Products::f32);
  SampleOptions& o = f.options;
  if (f.sampler == "ddpm") o.sampler = SamplerKind::ddpm;
  if (f.sampler == "ddim") o.sampler = SamplerKind::ddim;
  o.torch_noise = f.noise == "torch";
  o.no_class = f.classes == "none";
  if (!f.classes.empty() && !o.no_class) o.classes = class_list(f.classes);
  o.trajectory = !f.trajectory.empty();
  o.cancel = cancel;
  Progress progress("it");
  o.on_progress = [&](std::int64_t done, std::int64_t of) { progress.show(done, of); };
  const Model model = load_model(f.model, context);
  const Samples samples = sample(model, o);
  const std::string sampler = samples.sampler == SamplerKind::ddim ? "ddim" : "ddpm";
  progress.line("eddy: " + std::to_string(o.num) + " samples, " + sampler + ", " + std::to_string(samples.steps) + " steps, seed " +
                std::to_string(o.seed));
  write(f, samples, columns_of(f, model),
        {{"seed", std::to_string(o.seed)}, {"sampler", sampler}, {"steps", std::to_string(samples.steps)},
         {"model", f.model}, {"noise", f.noise}});
}

}  // namespace

void add_sample(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("sample", "Draw samples from a model");
  command->footer(
      "Examples:\n"
      "  eddy sample models/fashion-mnist --class 9 --out boots.png\n"
      "  eddy sample runs/fashion --out grid.png --num 40 --seed 7 --trajectory strip.png\n"
      "  eddy sample runs/fashion --out grid.png --class 7,8,9 --sampler ddpm --steps 50 --guidance 2\n"
      "  eddy sample runs/fashion --out samples.npy --num 1000 --batch-size 50");
  auto f = std::make_shared<SampleFlags>();
  SampleOptions& o = f->options;
  command->add_option("model", f->model, "a model folder, or a run")->required();
  command->add_option("--out", f->out, "FILE.png: one grid; FOLDER/: single pictures; FILE.npy: float32 (N,H,W,C), -1 to 1")->required();
  command->add_option("--num", o.num, "samples")->capture_default_str()->check(CLI::PositiveNumber);
  command->add_option("--batch-size", o.batch_size, "samples at a time; changes no byte")->capture_default_str()->check(CLI::PositiveNumber);
  command->add_option("--steps", o.steps, "steps of the sampler [50 for ddim, all for ddpm]")->check(CLI::PositiveNumber);
  command->add_option("--sampler", f->sampler, "ddpm or ddim [the model's]")->check(CLI::IsMember({"ddpm", "ddim"}));
  command->add_option("--eta", o.eta, "ddim: 0 adds no noise, 1 as much as ddpm")->capture_default_str()->check(CLI::Range(0.0, 1.0));
  command->add_option("--class", f->classes, "classes in turn, as 9 or 0,1,2; none: without a label [every class in turn]");
  command->add_option("--guidance", o.guidance, "u + X (c - u); 1 is off")->capture_default_str();
  command->add_option("--seed", o.seed, "seed")->capture_default_str();
  command->add_option("--noise", f->noise, "eddy, or torch: that of torch.randn")->capture_default_str()->check(CLI::IsMember({"eddy", "torch"}));
  command->add_option("--products", f->products, "f32, or bf16: factors of products rounded to bfloat16")
      ->capture_default_str()
      ->check(CLI::IsMember({"f32", "bf16"}));
  command->add_option("--threads", f->threads, "threads; changes no byte [all CPUs]");
  command->add_option("--trajectory", f->trajectory, "FILE.png: sample 0 on its way, noisy above, predicted below");
  command->callback([f, &action] { action = [f](const CancelToken& cancel) { run(*f, cancel); }; });
}

}  // namespace eddy::cli
