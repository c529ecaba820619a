// eddy info.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "eddy/pipeline.hpp"

namespace eddy::cli {

namespace {

using Json = nlohmann::json;

void print(const Json& json, int depth) {
  for (const auto& [key, value] : json.items()) {
    if (value.is_object() && !value.empty()) {
      std::printf("%*s%s:\n", 2 * depth, "", key.c_str());
      print(value, depth + 1);
    } else if (key == "tensors" && value.is_array()) {
      for (const Json& tensor : value) {
        std::printf("%*s%s %s %s\n", 2 * depth, "", tensor["name"].get<std::string>().c_str(),
                    tensor["dtype"].get<std::string>().c_str(), tensor["shape"].dump().c_str());
      }
    } else {
      std::printf("%*s%s: %s\n", 2 * depth, "", key.c_str(), value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
    }
  }
}

}  // namespace

void add_info(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("info", "Say what a model, run, weights file or data set is");
  command->footer("Examples:\n  eddy info runs/fashion/model\n  eddy info fashion-mnist --json");
  auto path = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  command->add_option("path", *path, "a model folder, a run, a .safetensors file, or data as `train` takes it")->required();
  command->add_flag("--json", *json, "print JSON");
  command->callback([=, &action] {
    action = [=](const CancelToken&) {
      const std::string text = describe(*path);
      if (*json) {
        std::printf("%s", text.c_str());
      } else {
        print(Json::parse(text), 0);
      }
    };
  });
}

}  // namespace eddy::cli
