// The U-Nets of the goldens, for the tests of float32 and of other products.
#pragma once

#include "base/hash.hpp"
#include "eddy/eddy.hpp"
#include "pipeline/unet_config.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

namespace eddy::test {

// Weights that a golden does not store: `keyed` of scripts/make_goldens_unet.py.
inline void fill_keyed(const Parameter& parameter) {
  const std::string& name = parameter.name();
  const std::span<float> values = parameter.write();
  const auto rows = static_cast<double>(parameter.shape()[0]), count = static_cast<double>(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    auto h = static_cast<std::uint32_t>(fnv1a(name) + i);
    h = (h ^ (h >> 16)) * 0x7feb352du;
    h = (h ^ (h >> 15)) * 0x846ca68bu;
    const double u = 2 * ((h ^ (h >> 16)) / 4294967296.0) - 1;
    double value = 0.1 * u;
    if (parameter.shape().rank() > 1) {
      value = u * std::sqrt(3 * rows / count);
    } else if (name == "time_proj.weight") {
      value = u * 16;
    } else if (name.ends_with("weight")) {
      value = 1 + 0.1 * u;
    }
    values[i] = static_cast<float>(value);
  }
}

inline UNet golden_unet(const Golden& golden, const Context& context) {
  const Json json = parse_json(golden.file().metadata().at("config"), "golden");
  UNet unet(unet_config_from_json(json, "golden", [](const std::string&) {}), {.initialise = false, .context = context});
  for (const Parameter& parameter : unet.parameters()) {
    if (!golden.has("weight.conv_in.weight")) {
      fill_keyed(parameter);
      continue;
    }
    const Tensor value = golden.tensor("weight." + parameter.name());
    REQUIRE(value.shape() == parameter.shape());
    std::ranges::copy(value.values(), parameter.write().begin());
  }
  return unet;
}

inline Condition golden_condition(const Golden& golden, const Context& context) {
  if (!golden.has("in.class_labels")) return {};
  return {{"class_labels", golden.tensor("in.class_labels", context)}};
}

// Of a gradient what the golden keeps: all, or every so-manieth element in their order.
inline std::vector<float> as_stored(std::span<const float> gradient, std::size_t stored) {
  constexpr std::size_t samples = 64;
  const std::size_t stride = stored == gradient.size() ? 1 : ((gradient.size() + samples - 1) / samples | 1);
  std::vector<float> result;
  for (std::size_t i = 0; i < gradient.size(); i += stride) result.push_back(gradient[i]);
  return result;
}

inline double norm(std::span<const float> x) {
  double total = 0;
  for (const float v : x) total += static_cast<double>(v) * v;
  return std::sqrt(total);
}

}  // namespace eddy::test
