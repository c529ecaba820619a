#include "eddy/eigen.hpp"

#include <vector>

#include "eddy/ops.hpp"
#include "support/catch.hpp"

using namespace eddy;

TEST_CASE("eigen: views of tensors are their elements, in matrices of their innermost extent") {
  Tensor x = Tensor::from({1.f, 2.f, 3.f, 4.f, 5.f, 6.f}, {2, 1, 3});
  const auto m = matrix_view(x);
  CHECK(m.rows() == 2);
  CHECK(m.cols() == 3);
  CHECK(m(1, 0) == 4);
  CHECK(m.data() == x.values().data());
  CHECK(array_view(x).sum() == 21);
  mutable_matrix_view(x)(0, 2) = 10;
  mutable_array_view(x) *= 2;
  CHECK(std::vector<float>(x.values().begin(), x.values().end()) == std::vector<float>{2, 4, 20, 8, 10, 12});
  // The host's own Eigen beside the library's.
  const Tensor w = Tensor::from({1.f, 0.f, -1.f}, {1, 3}), y = linear(x, w);
  const Eigen::VectorXf expected = matrix_view(x) * matrix_view(w).transpose();
  CHECK((matrix_view(y) - expected).norm() == 0);
}

TEST_CASE("eigen: what is shared, has no columns or is not f32 is refused; nothing has no elements") {
  Tensor x = Tensor::zeros({2, 3});
  const Tensor other = x, scalar = Tensor::scalar(1), labels = Tensor::from({std::int64_t{1}}, {1}), none;
  CHECK_THROWS_WITH(mutable_matrix_view(x), Catch::Contains("clone()"));
  CHECK_THROWS_AS(mutable_array_view(x), Error);
  CHECK_THROWS_WITH(matrix_view(scalar), Catch::Contains("scalar"));
  CHECK(array_view(scalar)[0] == 1);
  CHECK_THROWS_AS(matrix_view(labels), Error);
  CHECK_THROWS_AS(array_view(none), Error);
  const Tensor empty = Tensor::zeros({4, 0});
  CHECK(matrix_view(empty).cols() == 0);
}
