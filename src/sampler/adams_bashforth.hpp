// Weights of the Adams-Bashforth methods of order 1 to 4 for equal steps, by what has been seen so far.
#pragma once

#include <vector>

#include "eddy/ops.hpp"

namespace eddy::inline v0_1 {

// The past outputs, the latest last; keeps four.
class AdamsBashforth {
 public:
  void add(Tensor output) {
    past_.push_back(std::move(output));
    if (past_.size() > 4) past_.erase(past_.begin());
  }
  const Tensor& latest() const { return past_.back(); }

  // Of the order that the past allows.
  Tensor combined() const {
    static constexpr double kWeights[4][4] = {
        {1}, {3.0 / 2, -1.0 / 2}, {23.0 / 12, -16.0 / 12, 5.0 / 12}, {55.0 / 24, -59.0 / 24, 37.0 / 24, -9.0 / 24}};
    const std::size_t order = past_.size();
    if (order == 1) return past_[0];
    const double* w = kWeights[order - 1];
    Tensor sum = combine(w[0], past_[order - 1], w[1], past_[order - 2]);
    for (std::size_t i = 2; i < order; ++i) sum = combine(1, sum, w[i], past_[order - 1 - i]);
    return sum;
  }

 private:
  std::vector<Tensor> past_;
};

}  // namespace eddy::inline v0_1
