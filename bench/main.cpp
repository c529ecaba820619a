// eddy_bench: JSON lines with times. `eddy_bench kernels`, `eddy_bench train --config bench/small.json --batch 64`.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "bench.hpp"

void eddy::bench::print(const Json& line) {
  std::printf("%s\n", line.dump().c_str());
  std::fflush(stdout);
}

int main(int argc, char** argv) {
  CLI::App app{"Times kernels and models; one JSON line each.", "eddy_bench"};
  eddy::bench::Options o;
  app.add_option("what", o.what,
                 "peak: multiply-adds; kernels; train: steps; forward; ddim: 50 steps; threads: what a training step gains, and\n"
                 "what multiply-adds gain; idle: CPU time while nothing is to do; samplers: the error of one on a closed form")
      ->required()
      ->check(CLI::IsMember({"peak", "kernels", "train", "forward", "ddim", "threads", "idle", "samplers"}));
  app.add_option("--config", o.config, "the model: JSON in the form of RUN/config.json");
  app.add_option("--folder", o.folder, "a model folder, with inputs where compare.py wrote them");
  app.add_option("--batch", o.batch)->capture_default_str();
  app.add_option("--iterations", o.iterations, "timed ones, behind two others")->capture_default_str();
  app.add_option("--threads", o.threads, "0: all CPUs")->capture_default_str();
  app.add_option("--sampler", o.sampler, "samplers: short name");
  app.add_option("--scheduler", o.scheduler, "samplers: JSON of a scheduler_config.json");
  app.add_option("--steps", o.steps, "samplers: steps")->capture_default_str();
  app.add_flag("--checkpoint", o.checkpoint, "train: keep only the inputs of residual blocks and run them again in backward");
  app.add_flag("--bf16", o.bf16, "factors of products rounded to bfloat16");
  CLI11_PARSE(app, argc, argv);
  try {
    const eddy::Context context(eddy::ContextOptions{
        .products = o.bf16 ? eddy::Products::bf16 : eddy::Products::f32, .threads = o.threads});
    eddy::Context::set_default(context);
    if (o.what == "peak") {
      eddy::bench::print({{"what", "peak"}, {"gflops", eddy::bench::peak_gflops(context)}, {"threads", context.slots()}});
    } else if (o.what == "kernels") {
      run_kernels(o, context);
    } else if (o.what == "samplers") {
      run_samplers(o, context);
    } else {
      if (o.config.empty() && o.folder.empty()) throw std::runtime_error("which model? give --config or --folder");
      o.what == "threads" ? run_threads(o, context) : o.what == "idle" ? run_idle(o, context) : run_model(o, context);
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "eddy_bench: error: %s\n", e.what());
    return 1;
  }
  return 0;
}
