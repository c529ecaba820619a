// Kernels of the mean squared error of each sample.
#pragma once

#include "kernels/launch.hpp"

namespace eddy::inline v0_1 {

// a and b (n, size), weight (n) or null.
template <class Real>
struct MseKernels {
  void (*forward)(const Launch&, std::int64_t n, std::int64_t size, const Real* a, const Real* b, const Real* weight, Real* y);
  // What is not wanted of da, db and dweight is null.
  void (*backward)(const Launch&, std::int64_t n, std::int64_t size, const Real* a, const Real* b, const Real* weight,
                   const Real* dy, Real* da, Real* db, Real* dweight);
};

}  // namespace eddy::inline v0_1
