// Levels of exponential integrators, in diffusers' order of operations.
#include "pipeline/scheduler/solver.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "eddy/ops.hpp"

namespace eddy::inline v0_1 {

namespace {

// numpy's round, half to even, whatever the mode of rounding.
double rounded(double x) {
  const double floor = std::floor(x), rest = x - floor;
  if (rest != 0.5) return std::floor(x + 0.5);
  return std::fmod(floor, 2) == 0 ? floor : floor + 1;
}

// sigma = 1 - alpha of n + 1 alphas evenly from 1 to 1 / T, without the clean end.
std::vector<Placed> flow_places(const SolverGrid& grid, double shift, int n) {
  const double train = grid.train_steps(), step = (1 / train - 1) / n;
  std::vector<Placed> result;
  for (int i = n; i > 0; --i) {
    const double alpha = i == n ? 1 / train : i * step + 1, sigma = shifted(1 - alpha, shift);
    result.push_back({std::trunc(sigma * train), sigma});
  }
  return result;
}

// diffusers spaces the float32 logarithms of the table.
double log_rounded(double sigma) { return std::exp(static_cast<double>(static_cast<float>(std::log(sigma)))); }

std::vector<Placed> listed_places(const SolverGrid& grid, SigmaKind kind, int n) {
  double low = grid.sigma_min, high = grid.sigma_max;
  if (kind == SigmaKind::lu) {
    low = log_rounded(low);
    high = log_rounded(high);
  }
  const bool whole = grid.whole_timesteps && kind != SigmaKind::exponential && kind != SigmaKind::beta;
  std::vector<Placed> result;
  for (const double sigma : listed_sigmas(kind, n, grid.table, low, high)) {
    const double t = grid.table.t_of(sigma);
    result.push_back({whole ? rounded(t) : std::trunc(t), sigma});
  }
  return result;
}

// A network that predicts at the scale of x = alpha x0 + sigma eps itself, whatever alpha and sigma are.
enum class PredictionOf { x0, eps };

Adapter at_own_scale(PredictionOf kind) {
  return [kind](Network network, Condition condition) -> Denoiser {
    const Denoiser raw = from_eps(std::move(network), std::move(condition));
    return [=](const Tensor& x, std::span<const NoiseLevel> levels) -> Prediction {
      std::vector<NoiseLevel> unscaled;
      std::vector<double> of_x, of_y;
      for (const NoiseLevel& level : levels) {
        const double divisor = kind == PredictionOf::eps ? level.alpha : level.sigma;
        if (level.alpha == 0 && kind == PredictionOf::eps) {
          throw Error("sampling_of: at alpha = 0 a noise prediction says nothing of x0; use a flow or sample prediction");
        }
        unscaled.push_back({level.t, 1, 0});
        of_x.push_back(divisor > 0 ? 1 / divisor : 0);
        of_y.push_back(divisor > 0 ? -(level.alpha + level.sigma - divisor) / divisor : 0);
      }
      const Prediction p = raw(x, unscaled);  // its eps is the network's output
      of_x.resize(static_cast<std::size_t>(x.extent(0)), of_x.front());
      of_y.resize(of_x.size(), of_y.front());
      const Tensor other = combine(of_x, x, of_y, p.eps);
      return kind == PredictionOf::eps ? Prediction{other, p.eps, p.variance} : Prediction{p.eps, other, p.variance};
    };
  };
}

}  // namespace

SolverGrid read_solver_grid(JsonFields& f, const Schedule& schedule, const std::vector<std::string>& more) {
  SolverGrid grid{.table = TrainingSigmas(schedule),
                  .kind = read_sigma_kind(f, more),
                  .flow = false,
                  .noisiest = schedule.steps(),
                  .sigma_min = 0,
                  .sigma_max = 0};
  grid.sigma_min = grid.table.smallest();
  grid.sigma_max = grid.table.largest();
  grid.flow = grid.kind == SigmaKind::flow;
  grid.flow_shift = read_positive(f, "flow_shift", 1);
  grid.dynamic = read_dynamic_shift(f, false);
  return grid;
}

bool read_ends_at_zero(JsonFields& f) {
  static constexpr Name<bool> kEnds[]{{"zero", true}, {"sigma_min", false}};
  return named(f, "final_sigmas_type", f.text("final_sigmas_type", "zero"), kEnds);
}

int read_noisiest(JsonFields& f, const Schedule& schedule) {
  const auto clipped = static_cast<float>(f.number("lambda_min_clipped", -std::numeric_limits<double>::infinity()));
  int n = schedule.steps();
  const auto lambda = [&](int t) {
    const float alpha = std::sqrt(static_cast<float>(schedule.alpha_bar(t)));
    const float sigma = std::sqrt(static_cast<float>(schedule.one_minus_alpha_bar(t)));
    return static_cast<float>(std::log(static_cast<double>(alpha))) - static_cast<float>(std::log(static_cast<double>(sigma)));
  };
  while (n > 0 && lambda(n - 1) < clipped) --n;
  if (n == 0 || std::isnan(clipped)) f.refuse("lambda_min_clipped", "a number below ln(alpha / sigma) of the first timestep");
  return n;
}

Adapter read_solver_adapter(JsonFields& f, const SolverGrid& grid, Integrand integrand) {
  const std::string kind = f.text("prediction_type", "epsilon");
  const auto adapter = named(f, "prediction_type", kind, kAdapters);
  if (kind == "flow_prediction" && integrand == Integrand::eps) {
    f.refuse("prediction_type", "epsilon, sample or v_prediction where eps is integrated");
  }
  if ((kind == "flow_prediction") != grid.flow && (kind == "flow_prediction" || kind == "v_prediction")) {
    f.refuse("prediction_type", grid.flow ? "flow_prediction, epsilon or sample where use_flow_sigmas is true"
                                          : "epsilon, sample or v_prediction where use_flow_sigmas is false");
  }
  if (!grid.flow || kind == "flow_prediction") return adapter;
  return at_own_scale(kind == "epsilon" ? PredictionOf::eps : PredictionOf::x0);
}

SecondOrder read_second_order(JsonFields& f) {
  static constexpr Name<SecondOrder> kNames[]{{"midpoint", SecondOrder::midpoint}, {"heun", SecondOrder::heun},
                                              {"logrho", SecondOrder::midpoint},   {"bh1", SecondOrder::midpoint},
                                              {"bh2", SecondOrder::midpoint}};
  return named(f, "solver_type", f.text("solver_type", "midpoint"), kNames);
}

// numpy's linspace and arange: start + i step; arange's step is that of its first two entries.
std::vector<int> solver_timesteps(int train_steps, int noisiest, int n, const SpacingFields& spacing) {
  if (n < 1 || n > train_steps) {
    throw Error("timesteps: the number of steps must be from 1 to " + std::to_string(train_steps) + ", got " + std::to_string(n));
  }
  std::vector<int> result;
  const double start = noisiest, stride = start - static_cast<double>(train_steps) / n - start;
  const double last = noisiest - 1, between = last / n;
  for (int i = 0; i < n; ++i) {
    double t = 0;
    switch (spacing.spacing) {
      case Spacing::linspace:
        t = rounded(i == 0 ? last : (n - i) * between);
        break;
      case Spacing::leading:
        t = static_cast<double>((n - i) * (noisiest / (n + 1)) + spacing.offset);
        break;
      case Spacing::trailing:
        t = rounded(start + i * stride) - 1;
        if (t < 0) return result;
        break;
    }
    if (t >= train_steps) throw Error("timesteps: steps_offset leads to t = " + std::to_string(static_cast<int>(t)));
    result.push_back(static_cast<int>(t));
  }
  return result;
}

double chosen_shift(const SolverGrid& grid, const SamplingOptions& options) {
  if (!grid.dynamic.on || (!options.mu && options.image_tokens == 0)) return grid.flow_shift;  // as in diffusers
  if (grid.dynamic.linear) throw Error("sampling_of: mu needs a scheduler whose time_shift_type is exponential");
  return grid.dynamic.m(options);
}

std::vector<Placed> placed(const SolverGrid& grid, const SamplingOptions& options, int n) {
  const SigmaKind kind = chosen_sigmas(options, grid.kind);
  grid.dynamic.check(options, grid.flow);
  std::vector<Placed> result;
  if (kind == SigmaKind::flow) {
    result = flow_places(grid, chosen_shift(grid, options), n);
  } else if (kind == SigmaKind::spaced) {
    for (const int t : solver_timesteps(grid.train_steps(), grid.noisiest, n, grid.spacing)) {
      result.push_back({static_cast<double>(t), grid.table.at(t)});
    }
  } else {
    if (grid.flow) throw Error("sampling_of: a flow has no such list of sigmas: " + options.sigmas);
    result = listed_places(grid, kind, n);
  }
  for (Placed& place : result) place.sigma = static_cast<float>(place.sigma);
  return result;
}

NoiseLevel solver_level(bool flow, const Placed& place) {
  const double sigma = place.sigma;
  if (flow) return {place.t, 1 - sigma, sigma};
  const double alpha = 1 / std::sqrt(sigma * sigma + 1);
  return {place.t, alpha, sigma * alpha};
}

std::vector<Step> solver_steps(const SolverGrid& grid, const std::vector<Placed>& places, double closing) {
  std::vector<NoiseLevel> levels;
  for (const Placed& place : places) levels.push_back(solver_level(grid.flow, place));
  const double last = std::min<double>(static_cast<float>(closing), places.back().sigma);  // rounding may put it above
  levels.push_back(solver_level(grid.flow, {0, last}));
  return steps(levels);
}

}  // namespace eddy::inline v0_1
