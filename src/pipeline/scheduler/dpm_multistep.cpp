// DPMSolverMultistepScheduler: to the next entry of the list, the last to sigma = 0 or that of t = 0.
#include "pipeline/scheduler/dpm.hpp"

namespace eddy::inline v0_1 {

Algorithm read_algorithm(JsonFields& f, std::span<const Name<Algorithm>> names) {
  return named(f, "algorithm_type", f.text("algorithm_type", "dpmsolver++"), names);
}

void read_variance_type(JsonFields& f) {
  if (!f.has("variance_type")) return static_cast<void>(f.raw("variance_type"));
  static constexpr Name<bool> kTypes[]{{"learned", true}, {"learned_range", true}};
  named(f, "variance_type", f.text("variance_type", ""), kTypes);
}

void check_end(JsonFields& f, const Algorithm& algorithm, bool ends_at_zero) {
  if (algorithm.integrand == Integrand::eps && ends_at_zero) {
    f.refuse("final_sigmas_type", "sigma_min where algorithm_type is dpmsolver or sde-dpmsolver");
  }
}

Recipe read_dpm_multistep(JsonFields& f) {
  static constexpr Name<Algorithm> kAlgorithms[]{{"dpmsolver++", {Integrand::x0, 0}},
                                                 {"dpmsolver", {Integrand::eps, 0}},
                                                 {"sde-dpmsolver++", {Integrand::x0, 1}},
                                                 {"sde-dpmsolver", {Integrand::eps, 1}},
                                                 {"deis", {Integrand::x0, 0}}};
  const Schedule schedule = read_schedule(f);
  SolverGrid grid = read_solver_grid(f, schedule, {"use_lu_lambdas", "use_flow_sigmas"});
  const Algorithm algorithm = read_algorithm(f, kAlgorithms);
  DpmMultistepOptions own;
  own.order = static_cast<int>(f.integer("solver_order", 2, 1, 3));
  own.integrand = algorithm.integrand;
  own.second_order = read_second_order(f);
  own.lower_order_final = f.boolean("lower_order_final", true);
  own.euler_at_final = f.boolean("euler_at_final", false);
  own.diffusers_third_order = true;
  own.clip = read_thresholding(f);
  grid.ends_at_zero = read_ends_at_zero(f);
  check_end(f, algorithm, grid.ends_at_zero);
  grid.spacing = read_spacing(f, Spacing::linspace);
  grid.noisiest = read_noisiest(f, schedule);
  grid.whole_timesteps = f.text("beta_schedule", "linear") != "squaredcos_cap_v2";
  const Adapter adapter = read_solver_adapter(f, grid, own.integrand);
  read_variance_type(f);
  return [=](const SamplingOptions& o) -> Sampling {
    DpmMultistepOptions options = own;
    options.eta = o.eta.value_or(algorithm.eta);
    const std::vector<Placed> places = placed(grid, o, solver_step_count(o, grid));
    const double closing = grid.ends_at_zero ? 0 : grid.table.smallest();
    return {solver_steps(grid, places, closing), bound(sample_dpm_multistep, options), 1, adapter};
  };
}

}  // namespace eddy::inline v0_1
