// Levels of schedulers of k-diffusion's kind, in diffusers' order of operations.
#include "pipeline/scheduler/sigma_space.hpp"

#include <algorithm>
#include <cmath>

#include "schedule/linspace.hpp"

namespace eddy::inline v0_1 {

namespace {

double rounded(double x) { return static_cast<double>(static_cast<float>(x)); }

}  // namespace

std::vector<NoiseLevel> SigmaSpace::levels(const SamplingOptions& options, int n) const {
  std::vector<double> ts = float_timesteps(schedule.steps(), n, spacing), sigmas;
  if (log_linear) {
    for (const float log : float_linspace(n + 1, std::log(table.largest()), std::log(table.smallest()))) {
      sigmas.push_back(rounded(std::exp(static_cast<double>(log))));
    }
  } else {
    for (const double t : ts) sigmas.push_back(table.at(t));
  }
  const SigmaKind placed = chosen_sigmas(options, kind);
  if (placed != SigmaKind::spaced) {
    sigmas = listed_sigmas(placed, n, table, sigma_min.value_or(sigmas.back()), sigma_max.value_or(sigmas.front()));
    const bool whole = round_karras_times && placed == SigmaKind::karras;
    std::ranges::transform(sigmas, ts.begin(), [&](double s) { return whole ? std::nearbyint(table.t_of(s)) : table.t_of(s); });
  }
  std::vector<NoiseLevel> result;
  for (std::size_t i = 0; i < ts.size(); ++i) {
    const double sigma = rounded(sigmas[i]);
    result.push_back({rounded(log_sigma_times ? 0.25 * std::log(sigma) : ts[i]), 1, sigma});
  }
  const bool goes_on = sigmas.size() > ts.size();
  result.push_back({0, 1, goes_on ? rounded(sigmas.back()) : end_at_smallest ? table.smallest() : 0});
  return result;
}

std::vector<Step> SigmaSpace::steps(const SamplingOptions& options) const {
  return eddy::steps(levels(options, steps_or(options, std::min(50, schedule.steps()))));
}

double SigmaSpace::initial_scale(const std::vector<Step>& steps) const {
  const double largest = steps.front().from.sigma;
  return spacing.spacing == Spacing::leading ? rounded(std::sqrt(largest * largest + 1)) : largest;
}

LevelAt SigmaSpace::level_at() const {
  if (!log_sigma_times) return table.level_at();
  return [](double sigma) { return NoiseLevel{0.25 * std::log(sigma), 1, sigma}; };
}

SigmaSpace read_sigma_space(JsonFields& f, const BetaDefaults& betas, bool rescale, bool lists) {
  SigmaSpace space{.schedule = read_schedule(f, betas, rescale), .spacing = read_spacing(f, Spacing::linspace)};
  if (lists) space.kind = read_sigma_kind(f);
  return space;
}

void read_sigma_ends(JsonFields& f, SigmaSpace& space) {
  space.sigma_min = read_positive(f, "sigma_min");
  space.sigma_max = read_positive(f, "sigma_max");
  if (!space.sigma_min && !space.sigma_max) return;
  check_sigma_ends(f, space.sigma_min.value_or(space.table.smallest()), space.sigma_max.value_or(space.table.largest()));
}

}  // namespace eddy::inline v0_1
