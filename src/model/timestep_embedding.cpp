// Two linear layers over the sinusoids of t.
#include "model/blocks.hpp"

namespace eddy::inline v0_1 {

TimestepEmbedding::TimestepEmbedding(const ParameterTree& tree, std::int64_t in, std::int64_t out, Activation a)
    : linear_1(tree.in("linear_1"), in, out), linear_2(tree.in("linear_2"), out, out), activation(a) {}

Tensor TimestepEmbedding::operator()(const Tensor& x) const { return linear_2(activate(linear_1(x), activation)); }

}  // namespace eddy::inline v0_1
