// The embedding layer: rows of a table.
#include "eddy/nn.hpp"

namespace eddy::inline v0_1 {

Embedding::Embedding(const ParameterTree& tree, std::int64_t rows, std::int64_t channels) {
  weight = tree.add("weight", {rows, channels}, {Initializer::Kind::normal, 1});
}

Tensor Embedding::operator()(const Tensor& indices) const { return embedding(indices, weight.value()); }

}  // namespace eddy::inline v0_1
