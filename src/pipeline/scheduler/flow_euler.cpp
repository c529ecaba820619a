// FlowMatchEulerDiscreteScheduler.
//
// Its shift counts twice: the ends of the list are those of the table, which is shifted, and the list between them is shifted
// again. With use_dynamic_shifting (flow.hpp) the table is not shifted, and the list by the run's m.
#include <limits>

#include "eddy/ops.hpp"
#include "pipeline/scheduler/flow.hpp"

namespace eddy::inline v0_1 {

namespace {

struct Fields {
  int train_steps;
  double shift;
  DynamicShift dynamic;
  bool inverted, stochastic;
  double terminal;  // 0: none
  SigmaKind kind;

  std::vector<double> sigmas(const SamplingOptions& o, int n) const {
    dynamic.check(o, true);
    const TrainingSigmas table = flow_training_sigmas(train_steps, dynamic.on ? 1 : shift);
    const double m = dynamic.on ? dynamic.m(o) : 1;
    const double first = table.largest() * train_steps, last = table.smallest() * train_steps;
    std::vector<double> result;
    for (int i = 0; i < n; ++i) {
      const double sigma = (n > 1 ? first + i * ((last - first) / (n - 1)) : first) / train_steps;
      result.push_back(dynamic.on ? dynamically_shifted(sigma, m) : shifted(sigma, shift));
    }
    if (terminal != 0) {
      const double factor = (1 - result.back()) / (1 - terminal);
      for (double& sigma : result) sigma = 1 - (1 - sigma) / factor;
    }
    const SigmaKind placed = chosen_sigmas(o, kind);
    if (placed == SigmaKind::spaced) return result;
    if (placed == SigmaKind::ays || placed == SigmaKind::ays_sdxl || placed == SigmaKind::ays_svd) {
      throw Error("sampling_of: the sigmas of ays are not those of a flow");
    }
    return listed_sigmas(placed, n, table, result.back(), result.front());
  }

  // Inverted: t and what diffusers calls sigma go from noise at 0 to data at 1.
  std::vector<NoiseLevel> levels(const SamplingOptions& o, int n) const {
    std::vector<NoiseLevel> result = flow_levels(sigmas(o, n), train_steps);
    if (!inverted) return result;
    for (NoiseLevel& l : result) {
      const float data = 1 - static_cast<float>(l.sigma);
      l = {static_cast<double>(data * static_cast<float>(train_steps)), static_cast<double>(data), 1 - static_cast<double>(data)};
    }
    return result;
  }
};

Denoiser from_inverted_flow(Network network, Condition condition) {
  const Network negative = [network = std::move(network)](const Tensor& x, const Tensor& t, const Condition& c) {
    return affine(network(x, t, c), -1);
  };
  return from_flow(negative, std::move(condition));
}

Fields read_fields(JsonFields& f) {
  Fields s{};
  s.train_steps = static_cast<int>(f.integer("num_train_timesteps", 1000, 2, 1000000));
  s.shift = read_positive(f, "shift", 1);
  s.dynamic = read_dynamic_shift(f, true);
  s.inverted = f.boolean("invert_sigmas", false);
  s.terminal = f.optional_number("shift_terminal").value_or(0);
  if (!(s.terminal >= 0 && s.terminal < 1)) f.refuse("shift_terminal", "in [0, 1)");
  s.kind = read_sigma_kind(f);
  s.stochastic = f.boolean("stochastic_sampling", false);
  return s;
}

}  // namespace

Recipe read_flow_euler(JsonFields& f) {
  const Fields s = read_fields(f);
  return [=](const SamplingOptions& o) -> Sampling {
    AncestralOptions renewed;  // x' = alpha' x0 + sigma' z
    renewed.eta = std::numeric_limits<double>::infinity();
    const Sampler sampler = s.stochastic ? bound(sample_euler_ancestral, renewed) : bound(sample_euler, EulerOptions{});
    return {steps(s.levels(o, steps_or(o, 28))), sampler, 1, s.inverted ? from_inverted_flow : from_flow};
  };
}

}  // namespace eddy::inline v0_1
