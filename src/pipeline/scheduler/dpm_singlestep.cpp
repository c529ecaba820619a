// DPMSolverSinglestepScheduler: one spacing, `linspace`; where a block does not fit, or the list ends at sigma = 0, diffusers
// takes lower_order_final for true.
#include "pipeline/scheduler/dpm.hpp"

namespace eddy::inline v0_1 {

Recipe read_dpm_singlestep(JsonFields& f) {
  static constexpr Name<Algorithm> kAlgorithms[]{{"dpmsolver++", {Integrand::x0, 0}},
                                                 {"dpmsolver", {Integrand::eps, 0}},
                                                 {"sde-dpmsolver++", {Integrand::x0, 1}},
                                                 {"deis", {Integrand::x0, 0}}};
  const Schedule schedule = read_schedule(f, {}, false);
  SolverGrid grid = read_solver_grid(f, schedule, {"use_flow_sigmas"});
  const Algorithm algorithm = read_algorithm(f, kAlgorithms);
  DpmSinglestepOptions own;
  own.order = static_cast<int>(f.integer("solver_order", 2, 1, 3));
  own.integrand = algorithm.integrand;
  own.second_order = read_second_order(f);
  own.diffusers_third_order = true;
  own.clip = read_thresholding(f);
  const bool lower = f.boolean("lower_order_final", false);
  grid.ends_at_zero = read_ends_at_zero(f);
  check_end(f, algorithm, grid.ends_at_zero);
  grid.noisiest = read_noisiest(f, schedule);
  const Adapter adapter = read_solver_adapter(f, grid, own.integrand);
  read_variance_type(f);
  return [=](const SamplingOptions& o) -> Sampling {
    const int n = solver_step_count(o, grid);
    DpmSinglestepOptions options = own;
    options.eta = o.eta.value_or(algorithm.eta);
    options.lower_order_final = lower || grid.ends_at_zero || n % own.order != 0;
    const double closing = grid.ends_at_zero ? 0 : grid.table.smallest();
    return {solver_steps(grid, placed(grid, o, n), closing), bound(sample_dpm_singlestep, options), 1, adapter};
  };
}

}  // namespace eddy::inline v0_1
