// One element's term of the variational bound, in double, of the one step x_t -> x_{t-1}, in which the variance alone learns.
#pragma once

#include "eddy/schedule.hpp"

namespace eddy::inline v0_1 {

struct BoundTerm {
  bool first;                 // t = 0
  double of_x0, of_x;         // the posterior's mean is of_x0 x0 + of_x x
  double small, log_small, half_width;  // beta~, ln beta~ and (ln beta - ln beta~) / 2

  BoundTerm(const Schedule& schedule, int t);

  struct Value {
    double nats, slope;  // and its derivative in v
  };
  // v: the network's output for the variance. eight_bit: what t = 0 reads out, 256 levels or a density.
  Value operator()(double x0, double x, double predicted_x0, double v, bool eight_bit) const;
};

}  // namespace eddy::inline v0_1
