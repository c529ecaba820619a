// A U-Net's configuration as diffusers' config.json has it.
#pragma once

#include <functional>
#include <string>

#include "eddy/model.hpp"
#include "io/json.hpp"

namespace eddy::inline v0_1 {

// Throws Error naming source, key and value for what cannot be built; unknown keys go to `unknown`, or are refused.
UNetConfig unet_config_from_json(const Json& json, const std::string& source,
                                 const std::function<void(const std::string& key)>& unknown = {});
// Every field, without diffusers' `_class_name`.
Json unet_config_to_json(const UNetConfig& config);

}  // namespace eddy::inline v0_1
