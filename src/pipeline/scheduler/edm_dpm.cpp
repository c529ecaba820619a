// EDMDPMSolverMultistepScheduler: DPM-Solver++ at alpha = 1 with the preconditioning of EDM [Karras2022, Table 1].
#include <cmath>

#include "pipeline/scheduler/dpm.hpp"
#include "pipeline/scheduler/edm.hpp"
#include "schedule/linspace.hpp"

namespace eddy::inline v0_1 {

namespace {

// As EdmFields has them, but diffusers computes this class's own Karras sigmas in float32.
std::vector<NoiseLevel> levels_of(const EdmFields& e, const SamplingOptions& o, int n) {
  std::vector<NoiseLevel> levels = e.levels(o, n);
  if (e.exponential || !o.sigmas.empty()) return levels;
  const double low = std::pow(e.sigma_min, 1 / e.rho), high = std::pow(e.sigma_max, 1 / e.rho);
  const std::vector<float> ramp = float_linspace(n, 0, 1);
  for (std::size_t i = 0; i < ramp.size(); ++i) {
    const float root = static_cast<float>(high) + ramp[i] * static_cast<float>(low - high);
    levels[i] = edm_level(static_cast<double>(static_cast<float>(std::pow(static_cast<double>(root), e.rho))));
  }
  if (e.end_at_smallest) levels.back().sigma = levels[ramp.size() - 1].sigma;
  return levels;
}

}  // namespace

Recipe read_edm_dpm_multistep(JsonFields& f) {
  static constexpr Name<Algorithm> kAlgorithms[]{{"dpmsolver++", {Integrand::x0, 0}},
                                                 {"sde-dpmsolver++", {Integrand::x0, 1}},
                                                 {"deis", {Integrand::x0, 0}}};
  const EdmFields e = read_edm(f);
  const Algorithm algorithm = read_algorithm(f, kAlgorithms);
  DpmMultistepOptions own;
  own.order = static_cast<int>(f.integer("solver_order", 2, 1, 3));
  own.second_order = read_second_order(f);
  own.lower_order_final = f.boolean("lower_order_final", true);
  own.euler_at_final = f.boolean("euler_at_final", false);
  own.diffusers_third_order = true;
  own.clip = read_thresholding(f);
  return [=](const SamplingOptions& o) -> Sampling {
    DpmMultistepOptions options = own;
    options.eta = o.eta.value_or(algorithm.eta);
    return {steps(levels_of(e, o, steps_or(o, 50))), bound(sample_dpm_multistep, options),
            std::sqrt(e.sigma_max * e.sigma_max + 1), e.adapter()};
  };
}

}  // namespace eddy::inline v0_1
