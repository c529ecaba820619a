// What the formulas of kernels, and of the timestep embedding, give in double: value and gradients, called as operations
// call them in float.
#pragma once

#include "eddy/ops.hpp"
#include "kernels/activation.hpp"
#include "reference/array.hpp"

namespace eddy::test {

struct InDouble {
  std::vector<double> value;
  std::vector<std::vector<double>> gradients;  // of each input, empty for one that has none
};

// The arguments are those of the operation, as the op table lists them; seed is the gradient of the output.
using Arrays = const std::vector<Array>&;
InDouble activate_in_double(Arrays in, ActivationKind kind, const Array& seed);
InDouble mse_in_double(Arrays in, const Array& seed);
InDouble group_norm_in_double(Arrays in, const GroupNormOptions& options, const Array& seed);
InDouble attention_in_double(Arrays in, const AttentionOptions& options, const Array& seed);
InDouble fourier_embedding_in_double(Arrays in, const Array& seed);
InDouble timestep_embedding_in_double(Arrays in, const TimestepEmbeddingOptions& options, const Array& seed);

}  // namespace eddy::test
