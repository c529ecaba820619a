// The U-Nets of the goldens, for the tests of float32 and of other products.
#pragma once

#include "eddy/eddy.hpp"
#include "pipeline/unet_config.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

namespace eddy::test {

inline UNet golden_unet(const Golden& golden, const Context& context) {
  const Json json = parse_json(golden.file().metadata().at("config"), "golden");
  UNet unet(unet_config_from_json(json, "golden", [](const std::string&) {}), {.initialise = false, .context = context});
  for (const Parameter& parameter : unet.parameters()) {
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

inline double norm(std::span<const float> x) {
  double total = 0;
  for (const float v : x) total += static_cast<double>(v) * v;
  return std::sqrt(total);
}

}  // namespace eddy::test
