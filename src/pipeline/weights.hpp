// Weights of a model in safetensors files.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "eddy/nn.hpp"
#include "io/safetensors.hpp"

namespace eddy::inline v0_1 {

// An entry of the file for each parameter, whose memory need not be there yet; throws as read_weights does. A file that does
// not fit is refused before a model's memory is taken.
std::vector<const SafetensorsEntry*> find_weights(const SafetensorsFile& file, std::span<const Parameter> parameters,
                                                  const std::string& prefix = {});
// Fills every parameter from `<prefix><name>`; throws Error for a missing name, another shape, or, without a prefix, a
// tensor that no parameter has.
void read_weights(const SafetensorsFile& file, std::span<const Parameter> parameters, const std::string& prefix = {});

// What a folder holds beside the files of a model, and keeps when the model is replaced: a card, a licence, .git. Throws Error
// where the folder is no model of DDPM or DDIM and holds anything else.
std::vector<std::string> kept_beside_model(const std::string& path);

}  // namespace eddy::inline v0_1
