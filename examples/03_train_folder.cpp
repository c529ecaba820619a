// Training on a folder of pictures: 03_train_folder PICTURES RUN [STEPS]. Started again, it goes on where it stopped.
#include <cstdio>
#include <eddy/eddy.hpp>

namespace {

// As a JSON string; whatever else JSON forbids is refused when it is read.
std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::printf("usage: 03_train_folder PICTURES RUN [STEPS]\n"), 2;
  const std::string steps = argc > 3 ? argv[3] : "1000";
  eddy::RunOptions options{.out = argv[2]};
  options.config = R"({"data":{"path":)" + quoted(argv[1]) + R"(,"height":32,"width":32,"channels":3},
                       "train":{"steps":)" + steps + R"(,"flip":true}})";
  options.on_note = [](const std::string& text) { std::printf("%s\n", text.c_str()); };
  options.on_warning = options.on_note;
  options.on_step = [](const eddy::TrainReport& r, std::int64_t of, double speed) {
    if (r.step % 50 != 0) return;
    std::printf("%lld of %lld, loss %.4f, %.1f pictures/s\n", static_cast<long long>(r.step), static_cast<long long>(of), r.loss,
                speed);
  };
  try {
    std::printf("%s\n", eddy::train_run(options).model.c_str());
  } catch (const eddy::Error& e) {
    return std::fprintf(stderr, "%s\n", e.what()), 1;
  }
}
