// eddy export.
#include <cstdio>
#include <map>
#include <memory>

#include "cli/command.hpp"
#include "eddy/pipeline.hpp"

namespace eddy::cli {

void add_export(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("export", "Write a model, or a run's average so far, as a model folder of its own");
  command->footer("Examples:\n"
                  "  eddy export runs/fashion --out models/fashion --dtype f16");
  struct Flags {
    std::string model, out, variant, dtype = "f32";
  };
  static const std::map<std::string, DType> kTypes{{"f32", DType::f32}, {"f16", DType::f16}, {"bf16", DType::bf16}};
  auto f = std::make_shared<Flags>();
  command->add_option("model", f->model, "a model folder, or a run")->required();
  command->add_option("--out", f->out, "the new folder")->required();
  command->add_option("--dtype", f->dtype, "how weights are stored: f32, f16 or bf16")->capture_default_str()->check(CLI::IsMember(kTypes));
  command->add_option("--variant", f->variant, "read the weights of this variant, as fp16");
  command->callback([f, &action] {
    action = [f](const CancelToken&) {
      save_model(f->out, load_model(f->model, {}, f->variant), kTypes.at(f->dtype));
      std::printf("%s\n", f->out.c_str());
    };
  });
}

}  // namespace eddy::cli
