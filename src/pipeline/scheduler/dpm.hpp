// Fields of the schedulers of DPM-Solver.
#pragma once

#include "pipeline/scheduler/solver.hpp"

namespace eddy::inline v0_1 {

struct Algorithm {
  Integrand integrand;
  double eta;
};

// algorithm_type, of those that the class has.
Algorithm read_algorithm(JsonFields& fields, std::span<const Name<Algorithm>> names);

// variance_type: whatever it is, the half of the channels that holds a variance is not used.
void read_variance_type(JsonFields& fields);

// Where eps is integrated, diffusers has no sigma = 0.
void check_end(JsonFields& fields, const Algorithm& algorithm, bool ends_at_zero);

}  // namespace eddy::inline v0_1
