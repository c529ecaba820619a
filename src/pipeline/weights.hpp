// Weights of a model, from files to parameters.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "eddy/nn.hpp"
#include "pipeline/weight_files.hpp"

namespace eddy::inline v0_1 {

// A tensor of the files for each parameter, whose memory need not be there yet. Throws Error for a missing name, another shape,
// a type that is not floating, or, without a prefix, a tensor that no parameter has. A file that does not fit is refused
// before a model's memory is taken.
std::vector<WeightFiles::Place> find_weights(const WeightFiles& files, std::span<const Parameter> parameters,
                                             const std::string& prefix = {});
// Fills every parameter from `<prefix><name>`, in bounded blocks; throws as find_weights does.
void read_weights(const WeightFiles& files, std::span<const Parameter> parameters, const std::string& prefix = {});

}  // namespace eddy::inline v0_1
