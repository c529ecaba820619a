// Products of rows with weights, for linear and for 1x1 convolutions. A weight is (O, all inputs, ...); the functions work
// on its input columns [first, first + in).
#pragma once

#include "ops/support.hpp"

namespace eddy::inline v0_1 {

// Kinds of derived forms of a parameter.
enum DerivedKind { kPackedTransposed, kPackedConvolution };  // of a convolution, plus its algorithm

// W^T of all inputs as a right factor; kept for a parameter outside training.
Tensor packed_transposed(const Tensor& weight);

// dx (rows x in) = g (rows x O) W, and `onto` where it is given.
void rows_times_weight(const Tensor& g, std::int64_t rows, const Tensor& weight, std::int64_t first, std::int64_t in,
                       const Tensor& onto, const Tensor& dx);

// dW columns [first, first + in) = g^T x
void weight_gradient(const Tensor& x, std::int64_t in, const Tensor& g, std::int64_t rows, const Tensor& dw,
                     std::int64_t first);

// Sums of g (rows x out) over its rows.
Tensor bias_gradient(const Tensor& g, std::int64_t rows, std::int64_t out);

// Sums over the rows of each group: (groups, out).
Tensor group_sums(const Tensor& g, std::int64_t groups, std::int64_t rows, std::int64_t out);

}  // namespace eddy::inline v0_1
