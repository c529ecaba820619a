// Training step, forward pass and sampling of a whole U-Net.
#include <cmath>
#include <fstream>

#include "bench.hpp"
#include "eddy/eddy.hpp"
#include "io/safetensors.hpp"
#include "pipeline/unet_config.hpp"

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

// x, t and eps of a peer's file (N, C, H, W), or noise.
struct Inputs {
  Tensor x, t, eps;
};

Inputs inputs_for(const Options& o, const UNetConfig& c, const Context& context) {
  const std::int64_t n = o.batch, h = c.sample_height, w = c.sample_width, channels = c.in_channels;
  if (o.folder.empty()) {
    std::vector<float> t;
    for (std::int64_t i = 0; i < n; ++i) t.push_back(static_cast<float>(i * 997 % 1000));
    const NoiseSource noise = philox_noise(0);
    return {noise.normal({n, h, w, channels}, kInitialNoise, context), Tensor::from(std::span<const float>(t), {n}, context),
            noise.normal({n, h, w, channels}, kTrainingNoise, context)};
  }
  const SafetensorsFile file(o.folder + "/inputs.safetensors");
  const auto read = [&](const char* name, const Shape& shape) {
    Tensor result = Tensor::uninitialised(shape, DType::f32, context);
    const SafetensorsEntry* entry = file.find(name);
    if (entry == nullptr) throw Error(file.path() + ": lacks " + name);
    Tensor all = Tensor::uninitialised(Shape(std::span<const std::int64_t>(entry->shape)), DType::f32, context);
    file.read(*entry, all.mutable_values());
    std::ranges::copy(all.values().first(static_cast<std::size_t>(shape.elements())), result.mutable_values().begin());
    return result;
  };
  return {to_nhwc(read("x", {n, channels, h, w})), read("t", {n}), to_nhwc(read("eps", {n, channels, h, w}))};
}

UNet unet_for(const Options& o, const Context& context) {
  if (!o.folder.empty()) return load_unet(o.folder + "/unet", context);
  Json json = read_json(o.config);
  return UNet(unet_config_from_json(json.at("unet"), o.config), {.initialisation = Initialisation::torch, .context = context});
}

Json line_of(const Options& o, const Context& context, const Times& t) {
  const MemoryUse memory = context.memory();
  return {{"what", o.what},        {"batch", o.batch},
          {"threads", context.slots()}, {"isa", name(context.isa())},
          {"first_s", t.first},    {"least_s", t.least},
          {"median_s", t.median},  {"peak_mib", status_mib("VmHWM")},
          {"pool_peak_mib", static_cast<double>(memory.peak) / 1048576}};
}

void train_step(const Options& o, const UNet& unet, const Context& context) {
  const Inputs in = inputs_for(o, unet.config(), context);
  const Optimizer optimizer(unet.parameters(), {.weight_decay = 0.01});
  std::vector<double> losses;
  std::uint64_t asked = 0;  // system calls for memory after the first step
  const Times t = timed(o.iterations, [&] {
    const auto forward = [&](std::span<const Tensor> x) { return unet(x[0], in.t); };
    const Tensor y = o.checkpoint ? checkpoint(forward, std::vector{in.x}) : unet(in.x, in.t);
    const Tensor loss = mean(mse_per_sample(y, in.eps));
    losses.push_back(static_cast<double>(loss.item()));
    const Tensor gradients = optimizer.gradients(loss);
    const double norm = optimizer.norm(gradients);
    optimizer.step(gradients, 1e-4, std::min(1.0, 1 / (norm + 1e-6)), 0.999);
    if (losses.size() == 1) asked = context.memory().system_calls;
  });
  Json line = line_of(o, context, t);
  losses.resize(3);
  line["losses"] = losses;
  line["asked_after_first_step"] = context.memory().system_calls - asked;
  print(line);
}

void forward_pass(const Options& o, const UNet& unet, const Context& context) {
  const NoGrad no_grad;
  const Inputs in = inputs_for(o, unet.config(), context);
  Tensor y;
  Json line = line_of(o, context, timed(o.iterations, [&] { y = unet(in.x, in.t); }));
  double squares = 0;
  for (const float v : y.values()) squares += static_cast<double>(v) * static_cast<double>(v);
  line["rms"] = std::sqrt(squares / static_cast<double>(y.elements()));
  const Tensor planes = to_nchw(y);
  line["values"] = std::vector<float>(planes.values().begin(), planes.values().begin() + 8);
  print(line);
}

void sampling(const Options& o, const UNet& unet, const Context& context) {
  const Inputs in = inputs_for(o, unet.config(), context);
  const Denoiser denoise = from_eps(unet);
  const auto list = steps(trailing_levels(linear_schedule(1000), 50));
  print(line_of(o, context, timed(o.iterations, [&] { sample_ddim(denoise, in.x, list, philox_noise(0)); })));
}

}  // namespace

void run_model(const Options& o, const Context& context) {
  const UNet unet = unet_for(o, context);
  if (o.what == "train") return train_step(o, unet, context);
  if (o.what == "forward") return forward_pass(o, unet, context);
  sampling(o, unet, context);
}

}  // namespace eddy::bench
