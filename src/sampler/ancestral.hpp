// An ancestral step in two: a deterministic one to a cleaner level, and noise up to its end.
#pragma once

#include "eddy/sampler.hpp"

namespace eddy::inline v0_1 {

struct Ancestral {
  Step down;  // to the cleaner level
  double up;  // the deviation of the noise
};

Ancestral ancestral(const Step& step, double eta);

// Throws Error naming the sampler.
void check_ancestral(const char* sampler, const AncestralOptions& options);

}  // namespace eddy::inline v0_1
