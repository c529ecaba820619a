// Training step, forward pass and sampling of a whole U-Net.
#include <cmath>
#include <fstream>

#include "eddy/eddy.hpp"
#include "model.hpp"

namespace eddy::bench {

namespace {

// A line of /proc/self/status in MiB.
double status_mib(const std::string& key) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key + ":")) return std::stod(line.substr(key.size() + 1)) / 1024;
  }
  return 0;
}

Json line_of(const Options& o, const UNet& unet, const Context& context, const Times& t) {
  return {{"what", o.what},
          {"batch", o.batch},
          {"threads", context.slots()},
          {"isa", name(context.isa())},
          {"products", name(context.products())},
          {"first_s", t.first},
          {"least_s", t.least},
          {"median_s", t.median},
          {"peak_mib", status_mib("VmHWM")},
          {"pool_peak_mib", static_cast<double>(context.memory().peak) / 1048576},
          {"weights", unet.tree().elements()}};
}

void train_steps(const Options& o, const UNet& unet, const Context& context) {
  TrainingStep step(o, unet, context);
  std::vector<double> losses;
  std::uint64_t asked = 0;  // system calls for memory after the first step
  const Times t = timed(o.iterations, [&] {
    losses.push_back(step());
    if (losses.size() == 1) asked = context.memory().system_calls;
  });
  Json line = line_of(o, unet, context, t);
  losses.resize(3);
  line["losses"] = losses;
  line["checkpoint"] = o.checkpoint;
  line["asked_after_first_step"] = context.memory().system_calls - asked;
  print(line);
}

void forward_pass(const Options& o, const UNet& unet, const Context& context) {
  const NoGrad no_grad;
  const Inputs in = inputs_for(o, unet.config(), context);
  Tensor y;
  Json line = line_of(o, unet, context, timed(o.iterations, [&] { y = unet(in.x, in.t, in.condition); }));
  double squares = 0;
  for (const float v : y.values()) squares += static_cast<double>(v) * static_cast<double>(v);
  line["rms"] = std::sqrt(squares / static_cast<double>(y.elements()));
  const Tensor planes = to_nchw(y);
  line["values"] = std::vector<float>(planes.values().begin(), planes.values().begin() + 8);
  print(line);
}

void sampling(const Options& o, const UNet& unet, const Context& context) {
  const Inputs in = inputs_for(o, unet.config(), context);
  const Denoiser denoise = from_eps(unet, in.condition);
  const auto list = steps(trailing_levels(linear_schedule(1000), 50));
  print(line_of(o, unet, context, timed(o.iterations, [&] { sample_ddim(denoise, in.x, list, philox_noise(0)); })));
}

}  // namespace

void run_model(const Options& o, const Context& context) {
  const UNet unet = unet_for(o, context);
  if (o.what == "train") return train_steps(o, unet, context);
  if (o.what == "forward") return forward_pass(o, unet, context);
  sampling(o, unet, context);
}

}  // namespace eddy::bench
