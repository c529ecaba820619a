// What a network is to the rest of the library.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "eddy/tensor.hpp"

namespace eddy::inline v0_1 {

// Named inputs beside x and t, with the names of diffusers' forward arguments (class_labels, encoder_hidden_states ...).
// The first extent of each is N, or 1 for all samples.
using Condition = std::vector<std::pair<std::string, Tensor>>;

// x (N, H, W, C) or (N, D), t (N) f32, condition -> raw output, differentiable in x and t. Every model converts to it and
// refuses names that it does not know.
using Network = std::function<Tensor(const Tensor& x, const Tensor& t, const Condition& condition)>;

}  // namespace eddy::inline v0_1
