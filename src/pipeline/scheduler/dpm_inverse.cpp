// DPMSolverMultistepInverseScheduler: the levels of the multistep scheduler in reverse, and the noisiest, or the last again,
// behind them. Timesteps that stand twice are told once, and the levels of the rest move up, as in diffusers.
#include <algorithm>

#include "pipeline/scheduler/dpm.hpp"

namespace eddy::inline v0_1 {

namespace {

// Of n + 1 places the noisy end is left out, where sampling leaves out the clean one.
std::vector<Placed> ascending(const SolverGrid& grid, const SamplingOptions& o, int n) {
  std::vector<Placed> places = placed(grid, o, n);
  std::ranges::reverse(places);
  if (chosen_sigmas(o, grid.kind) == SigmaKind::spaced && grid.spacing.spacing != Spacing::trailing) {
    const int clean = grid.spacing.spacing == Spacing::leading ? grid.spacing.offset : 0;
    if (clean >= grid.train_steps()) throw Error("timesteps: steps_offset leads to t = " + std::to_string(clean));
    places.insert(places.begin(), {static_cast<double>(clean), grid.table.at(clean)});
    places.pop_back();
  }
  return places;
}

std::vector<Step> steps_of(const std::vector<Placed>& places, double closing) {
  std::vector<double> ts;
  for (const Placed& place : places) {
    if (std::ranges::find(ts, place.t) == ts.end()) ts.push_back(place.t);
  }
  std::vector<NoiseLevel> levels;
  for (std::size_t i = 0; i <= ts.size(); ++i) {
    const double sigma = i < places.size() ? places[i].sigma : closing;
    levels.push_back(solver_level(false, {i < ts.size() ? ts[i] : 0, sigma}));
  }
  return steps(levels);
}

}  // namespace

Recipe read_dpm_multistep_inverse(JsonFields& f) {
  static constexpr Name<Algorithm> kAlgorithms[]{{"dpmsolver++", {Integrand::x0, 0}},
                                                 {"dpmsolver", {Integrand::eps, 0}},
                                                 {"deis", {Integrand::x0, 0}}};
  const Schedule schedule = read_schedule(f, {}, false);
  SolverGrid grid = read_solver_grid(f, schedule, {"use_flow_sigmas"});
  if (grid.flow) f.refuse("use_flow_sigmas", "false: diffusers' inverse of a flow walks towards the clean end");
  DpmMultistepOptions own;
  own.order = static_cast<int>(f.integer("solver_order", 2, 1, 3));
  own.integrand = read_algorithm(f, kAlgorithms).integrand;
  own.second_order = read_second_order(f);
  own.lower_order_final = f.boolean("lower_order_final", true);
  own.euler_at_final = f.boolean("euler_at_final", false);
  own.diffusers_third_order = true;
  own.clip = read_thresholding(f);
  grid.spacing = read_spacing(f, Spacing::linspace);
  grid.noisiest = read_noisiest(f, schedule);
  const Adapter adapter = read_solver_adapter(f, grid, own.integrand);
  read_variance_type(f);
  return [=](const SamplingOptions& o) -> Sampling {
    const std::vector<Placed> places = ascending(grid, o, solver_step_count(o, grid));
    const bool spaced = chosen_sigmas(o, grid.kind) == SigmaKind::spaced;
    const double closing = spaced ? grid.table.at(grid.noisiest - 1) : places.back().sigma;
    return {steps_of(places, closing), begun_with(o.picture, bound(invert_dpm_multistep, own)), 1, adapter};
  };
}

}  // namespace eddy::inline v0_1
