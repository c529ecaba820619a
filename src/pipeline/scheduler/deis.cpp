// DEISMultistepScheduler: never to sigma = 0; lists of sigmas end with their last entry twice.
#include "pipeline/scheduler/solver.hpp"

namespace eddy::inline v0_1 {

namespace {

// Names of other classes, which diffusers takes for its own.
void read_names(JsonFields& f) {
  static constexpr Name<bool> kAlgorithms[]{{"deis", true}, {"dpmsolver", true}, {"dpmsolver++", true}};
  static constexpr Name<bool> kTypes[]{{"logrho", true}, {"midpoint", true}, {"heun", true}, {"bh1", true}, {"bh2", true}};
  named(f, "algorithm_type", f.text("algorithm_type", "deis"), kAlgorithms);
  named(f, "solver_type", f.text("solver_type", "logrho"), kTypes);
}

}  // namespace

Recipe read_deis(JsonFields& f) {
  const Schedule schedule = read_schedule(f, {}, false);
  SolverGrid grid = read_solver_grid(f, schedule, {"use_flow_sigmas"});
  DeisOptions own;
  own.order = static_cast<int>(f.integer("solver_order", 2, 1, 3));
  own.lower_order_final = f.boolean("lower_order_final", true);
  own.clip = read_thresholding(f);
  read_names(f);
  grid.spacing = read_spacing(f, Spacing::linspace);
  const Adapter adapter = read_solver_adapter(f, grid, Integrand::x0);
  return [=](const SamplingOptions& o) -> Sampling {
    const std::vector<Placed> places = placed(grid, o, solver_step_count(o, grid));
    const bool spaced = chosen_sigmas(o, grid.kind) == SigmaKind::spaced;
    const double closing = spaced ? grid.table.smallest() : places.back().sigma;
    return {solver_steps(grid, places, closing), bound(sample_deis, own), 1, adapter};
  };
}

}  // namespace eddy::inline v0_1
