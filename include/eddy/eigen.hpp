// Tensors as Eigen's matrices and arrays, without a copy. Opt-in: eddy.hpp leaves this header out, and the Eigen is the
// includer's own, 3.3 or later; the library needs none from you.
//
// A view does not keep its tensor alive, so a temporary tensor is refused. Writable views obey Tensor::mutable_values.
#pragma once

#include <Eigen/Core>

#include "eddy/error.hpp"
#include "eddy/tensor.hpp"

namespace eddy::inline v0_1 {

using RowMajorMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixView = Eigen::Map<const RowMajorMatrix>;
using MutableMatrixView = Eigen::Map<RowMajorMatrix>;
using ArrayView = Eigen::Map<const Eigen::ArrayXf>;
using MutableArrayView = Eigen::Map<Eigen::ArrayXf>;

// (..., C) as a matrix of C columns. Throws Error for a scalar, and for elements that are not f32.
inline MatrixView matrix_view(const Tensor& x) {
  const float* data = x.values().data();
  if (x.rank() == 0) throw Error("matrix_view: a scalar has no columns; use array_view");
  const std::int64_t columns = x.extent(-1);
  return {data, static_cast<Eigen::Index>(columns > 0 ? x.elements() / columns : 0), static_cast<Eigen::Index>(columns)};
}
inline MutableMatrixView mutable_matrix_view(Tensor& x) {
  const MatrixView view = matrix_view(x);
  return {x.mutable_values().data(), view.rows(), view.cols()};
}
MatrixView matrix_view(const Tensor&& x) = delete;

// All elements in order.
inline ArrayView array_view(const Tensor& x) {
  return {x.values().data(), static_cast<Eigen::Index>(x.elements())};
}
inline MutableArrayView mutable_array_view(Tensor& x) {
  return {x.mutable_values().data(), static_cast<Eigen::Index>(x.elements())};
}
ArrayView array_view(const Tensor&& x) = delete;

}  // namespace eddy::inline v0_1
