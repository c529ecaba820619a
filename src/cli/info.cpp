// eddy info.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <tuple>
#include <vector>

#include "cli/command.hpp"
#include "eddy/pipeline.hpp"

namespace eddy::cli {

namespace {

using Json = nlohmann::json;

// Plain values first, so that a run's state is not behind its configuration.
void print(const Json& json, int depth) {
  std::vector<std::pair<std::string, Json>> items;
  for (const auto& [key, value] : json.items()) items.emplace_back(key, value);
  std::ranges::stable_partition(items, [](const auto& item) { return !item.second.is_object(); });
  for (const auto& [key, value] : items) {
    if (value.is_object() && !value.empty()) {
      std::printf("%*s%s:\n", 2 * depth, "", key.c_str());
      print(value, depth + 1);
    } else if (key == "tensors" && value.is_array()) {
      for (const Json& tensor : value) {
        std::printf("%*s%s %s %s\n", 2 * depth, "", tensor["name"].get<std::string>().c_str(),
                    tensor["dtype"].get<std::string>().c_str(), tensor["shape"].dump().c_str());
      }
    } else {
      const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
      std::printf("%*s%s: %s\n", 2 * depth, "", key.c_str(), text.c_str());
    }
  }
}

}  // namespace

void add_info(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("info", "Say what a model, run, weights file or data set is");
  command->footer("Examples:\n  eddy info runs/fashion\n  eddy info fashion-mnist --json\n  eddy info photos --class-folders");
  struct Flags {
    std::string path, size, variant;
    bool json = false;
    DataOptions data;
  };
  auto f = std::make_shared<Flags>();
  command->add_option("path", f->path, "a model, a run, a .safetensors file, data as `train` takes it, or a .csv")->required();
  command->add_flag("--json", f->json, "print JSON");
  command->add_option("--size", f->size, "of data: as for `train`")->check(size_problem);
  command->add_option("--channels", f->data.channels, "of data: as for `train`")->check(CLI::IsMember({1, 3}));
  command->add_flag("--class-folders", f->data.class_folders, "of data: as for `train`");
  command->add_option("--variant", f->variant, "of a model: the weights of this variant, as fp16");
  command->callback([f, &action] {
    action = [f](const CancelToken&) {
      if (!f->size.empty()) std::tie(f->data.height, f->data.width) = size_of(f->size);
      const std::string text = describe(f->path, f->data, f->variant);
      if (f->json) {
        std::printf("%s", text.c_str());
      } else {
        print(Json::parse(text), 0);
      }
    };
  });
}

}  // namespace eddy::cli
