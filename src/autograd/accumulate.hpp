// Sums of gradients.
#pragma once

#include "eddy/tensor.hpp"

namespace eddy::inline v0_1 {

// total = total + term; takes the term over when total is empty, adds in place when nobody else sees total.
void accumulate(Tensor& total, Tensor term);

// target += term, whoever shares target.
void add_into(const Tensor& target, const Tensor& term);

}  // namespace eddy::inline v0_1
