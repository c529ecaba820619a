#include "model.hpp"

#include <algorithm>
#include <filesystem>

#include "eddy/eddy.hpp"
#include "io/safetensors.hpp"
#include "pipeline/unet_config.hpp"

namespace eddy::bench {

namespace {

Condition condition_for(std::int64_t n, const UNetConfig& c, const Context& context) {
  if (!c.num_class_embeds) return {};
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < n; ++i) labels.push_back(i % *c.num_class_embeds);
  return {{"class_labels", Tensor::from(std::span<const std::int64_t>(labels), {n}, context)}};
}

}  // namespace

Inputs inputs_for(const Options& o, const UNetConfig& c, const Context& context) {
  const std::int64_t n = o.batch, h = c.sample_height, w = c.sample_width, channels = c.in_channels;
  const Condition condition = condition_for(n, c, context);
  const std::string path = o.folder + "/inputs.safetensors";
  if (o.folder.empty() || !std::filesystem::exists(path)) {
    std::vector<float> t;
    for (std::int64_t i = 0; i < n; ++i) t.push_back(static_cast<float>(i * 997 % 1000));
    const NoiseSource noise = philox_noise(0);
    return {noise.normal({n, h, w, channels}, kInitialNoise, context), Tensor::from(std::span<const float>(t), {n}, context),
            noise.normal({n, h, w, channels}, kTrainingNoise, context), condition};
  }
  const SafetensorsFile file(path);
  const auto read = [&](const char* name, const Shape& shape) {
    Tensor result = Tensor::uninitialised(shape, DType::f32, context);
    const SafetensorsEntry* entry = file.find(name);
    if (entry == nullptr) throw Error(file.path() + ": lacks " + name);
    Tensor all = Tensor::uninitialised(Shape(std::span<const std::int64_t>(entry->shape)), DType::f32, context);
    file.read(*entry, all.mutable_values());
    std::ranges::copy(all.values().first(static_cast<std::size_t>(shape.elements())), result.mutable_values().begin());
    return result;
  };
  return {to_nhwc(read("x", {n, channels, h, w})), read("t", {n}), to_nhwc(read("eps", {n, channels, h, w})), condition};
}

UNet unet_for(const Options& o, const Context& context) {
  if (!o.folder.empty()) return load_unet(o.folder + "/unet", context);
  Json json = read_json(o.config);
  return UNet(unet_config_from_json(json.at("unet"), o.config), {.initialisation = Initialisation::torch, .context = context});
}

TrainingStep::TrainingStep(const Options& o, const UNet& unet, const Context& context)
    : unet_(unet), in_(inputs_for(o, unet.config(), context)), optimizer_(unet.parameters(), {.weight_decay = 0.01}) {
  unet_.set_checkpoint(o.checkpoint);
}

double TrainingStep::operator()() {
  const Tensor loss = mean(mse_per_sample(unet_(in_.x, in_.t, in_.condition), in_.eps));
  const double value = static_cast<double>(loss.item());
  const Tensor gradients = optimizer_.gradients(loss);
  const double norm = optimizer_.norm(gradients);
  optimizer_.step(gradients, 1e-4, std::min(1.0, 1 / (norm + 1e-6)), 0.999);
  return value;
}

}  // namespace eddy::bench
