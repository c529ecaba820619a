// What samplers share that step in lambda = ln(alpha / sigma), with r = sigma / alpha = exp(-lambda).
#pragma once

#include "sampler/support.hpp"

namespace eddy::inline v0_1 {

// An ancestral step in r: down to `down` by the deterministic method, then noise of deviation `up`, down^2 + up^2 = to^2.
struct AncestralStep {
  double down, up;
};
// up = min(to, eta to sqrt(1 - (to / from)^2)) [Song2021, Eq. 16].
AncestralStep ancestral_step(double from, double to, double eta);

// Throws Error unless eta and s_noise are finite and not negative, and every step begins and ends at alpha above 0 and begins at
// sigma above 0.
void check_stochastic(const char* sampler, std::span<const Step> steps, const StochasticOptions& options);

// x at from -> x at to, from the x0 there, as if x0 were constant [Lu2022b, 4.1]: (sigma' / sigma) x + alpha' (1 - e^-h) x0, with
// sigma' of the ratio `down` (to's own, or below it).
Tensor first_order(const Tensor& x, const Tensor& x0, const NoiseLevel& from, const NoiseLevel& to, double down);

// The Brownian noise of (from, to] in a step's stage; the path's ends are those of the steps.
class BrownianNoise {
 public:
  BrownianNoise(const NoiseSource& noise, std::span<const Step> steps, const BrownianOptions& options);
  Tensor between(const Tensor& like, std::size_t step, std::uint32_t stage, double from, double to) const;

 private:
  const NoiseSource& noise_;
  double low_, high_;
  std::optional<std::uint64_t> seed_;
};

}  // namespace eddy::inline v0_1
