// UniPCMultistepScheduler: its flow begins at sigma = 1 and is shifted by itself; Karras' sigmas may be a flow's too.
#include <cmath>

#include "pipeline/scheduler/solver.hpp"

namespace eddy::inline v0_1 {

namespace {

struct UnipcGrid : SolverGrid {
  double terminal = 0;  // shift_terminal; 0: none
};

// The shifted sigmas, then 1 - (1 - sigma) (1 - terminal) / (1 - last).
std::vector<Placed> flow_places(const UnipcGrid& grid, const SamplingOptions& o, int n) {
  const double train = grid.train_steps(), step = (1 / train - 1) / n;
  const double m = grid.dynamic.on ? grid.dynamic.m(o) : 1;
  std::vector<double> sigmas;
  for (int i = 0; i < n; ++i) {
    const double sigma = i * step + 1;
    sigmas.push_back(grid.dynamic.on ? dynamically_shifted(sigma, m) : shifted(sigma, grid.flow_shift));
  }
  if (grid.terminal != 0) {
    const double scale = (1 - sigmas.back()) / (1 - grid.terminal);
    for (double& sigma : sigmas) sigma = 1 - (1 - sigma) / scale;
  }
  if (std::abs(sigmas[0] - 1) < 1e-6) sigmas[0] -= 1e-6;
  std::vector<Placed> result;
  for (const double sigma : sigmas) result.push_back({std::trunc(sigma * train), static_cast<float>(sigma)});
  return result;
}

// Karras' sigmas at alpha = 1 as those of a flow, sigma / (sigma + 1).
std::vector<Placed> karras_flow_places(const UnipcGrid& grid, int n) {
  std::vector<Placed> result;
  for (const double ratio : listed_sigmas(SigmaKind::karras, n, grid.table, grid.sigma_min, grid.sigma_max)) {
    const double sigma = ratio / (ratio + 1);
    result.push_back({std::trunc(sigma * grid.train_steps()), static_cast<float>(sigma)});
  }
  return result;
}

std::vector<Step> steps_of(const UnipcGrid& grid, const SamplingOptions& o) {
  grid.dynamic.check(o, grid.flow);
  const int n = solver_step_count(o, grid);
  const SigmaKind kind = chosen_sigmas(o, grid.kind);
  std::vector<Placed> places;
  if (kind == SigmaKind::flow) {
    places = flow_places(grid, o, n);
  } else if (grid.flow) {
    if (kind != SigmaKind::karras) throw Error("sampling_of: a flow has no such list of sigmas: " + o.sigmas);
    places = karras_flow_places(grid, n);
  } else {
    places = placed(grid, o, n);
  }
  const double last = kind == SigmaKind::spaced ? grid.table.smallest() : places.back().sigma;
  return solver_steps(grid, places, grid.ends_at_zero ? 0 : last);
}

void read_flow(JsonFields& f, UnipcGrid& grid) {
  grid.flow = f.boolean("use_flow_sigmas", false);
  if (grid.flow && grid.kind == SigmaKind::spaced) grid.kind = SigmaKind::flow;
  if (grid.flow && grid.kind != SigmaKind::flow && grid.kind != SigmaKind::karras) {
    f.refuse("use_flow_sigmas", "false where use_exponential_sigmas or use_beta_sigmas is true: their sigmas exceed a flow's 1");
  }
  const std::optional<double> low = read_positive(f, "sigma_min"), high = read_positive(f, "sigma_max");
  grid.sigma_min = low.value_or(grid.sigma_min);
  grid.sigma_max = high.value_or(grid.sigma_max);
  if (low || high) check_sigma_ends(f, grid.sigma_min, grid.sigma_max);
  grid.terminal = f.optional_number("shift_terminal").value_or(0);
  if (f.has("shift_terminal") && !grid.flow) f.refuse("shift_terminal", "null where use_flow_sigmas is false");
  if (!(grid.terminal >= 0 && grid.terminal < 1)) f.refuse("shift_terminal", "in [0, 1)");
}

}  // namespace

Recipe read_unipc(JsonFields& f) {
  static constexpr Name<UnipcB> kTypes[]{{"bh2", UnipcB::bh2},      {"bh1", UnipcB::bh1},    {"midpoint", UnipcB::bh2},
                                         {"heun", UnipcB::bh2},     {"logrho", UnipcB::bh2}};
  const Schedule schedule = read_schedule(f);
  UnipcGrid grid{read_solver_grid(f, schedule)};
  read_flow(f, grid);
  UnipcOptions own;
  own.order = static_cast<int>(f.integer("solver_order", 2, 1, 9));
  own.integrand = f.boolean("predict_x0", true) ? Integrand::x0 : Integrand::eps;
  own.b = named(f, "solver_type", f.text("solver_type", "bh2"), kTypes);
  own.lower_order_final = f.boolean("lower_order_final", true);
  const Clip clip = read_thresholding(f);
  if (own.integrand == Integrand::x0) own.clip = clip;
  const std::vector<std::int64_t> uncorrected = f.integers("disable_corrector", {}, 0, 1000000);
  own.uncorrected.assign(uncorrected.begin(), uncorrected.end());
  if (!f.raw("solver_p").is_null()) f.refuse("solver_p", "null: a predictor of one's own is an option of sample_unipc");
  grid.ends_at_zero = read_ends_at_zero(f);
  grid.spacing = read_spacing(f, Spacing::linspace);
  const Adapter adapter = read_solver_adapter(f, grid, own.integrand);
  return [=](const SamplingOptions& o) -> Sampling { return {steps_of(grid, o), bound(sample_unipc, own), 1, adapter}; };
}

}  // namespace eddy::inline v0_1
