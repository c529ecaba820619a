// Sampling with progress, and stopping half way: 04_sample_and_cancel MODEL
#include <cstdio>
#include <eddy/eddy.hpp>

int main(int argc, char** argv) {
  if (argc < 2) return std::printf("usage: 04_sample_and_cancel MODEL\n"), 2;
  try {
    const eddy::Model model = eddy::load_model(argv[1]);
    eddy::SampleOptions options{.num = 4, .steps = 20};
    options.on_progress = [](std::int64_t done, std::int64_t of) { std::printf("%lld of %lld\n", static_cast<long long>(done), static_cast<long long>(of)); };
    eddy::save_png("samples.png", eddy::sample(model, options).x);

    options.on_progress = [&](std::int64_t done, std::int64_t) {
      if (done == 10) options.cancel.cancel();  // from any thread, or a signal handler
    };
    eddy::sample(model, options);
  } catch (const eddy::Cancelled&) {
    std::printf("stopped after ten steps\n");
  } catch (const eddy::Error& e) {
    return std::fprintf(stderr, "%s\n", e.what()), 1;
  }
}
