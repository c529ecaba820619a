// Lists of sigmas by name, and diffusers' table.
#include "pipeline/scheduler/sigmas.hpp"

#include <algorithm>
#include <cmath>

namespace eddy::inline v0_1 {

namespace {

constexpr Name<SigmaKind> kLists[]{{"karras", SigmaKind::karras},
                                   {"exponential", SigmaKind::exponential},
                                   {"polyexponential", SigmaKind::polyexponential},
                                   {"beta", SigmaKind::beta},
                                   {"lu", SigmaKind::lu},
                                   {"simple", SigmaKind::simple},
                                   {"sgm_uniform", SigmaKind::sgm_uniform},
                                   {"ays", SigmaKind::ays},
                                   {"ays_sdxl", SigmaKind::ays_sdxl},
                                   {"ays_svd", SigmaKind::ays_svd}};

constexpr Name<SigmaKind> kUses[]{{"use_karras_sigmas", SigmaKind::karras},
                                  {"use_exponential_sigmas", SigmaKind::exponential},
                                  {"use_beta_sigmas", SigmaKind::beta},
                                  {"use_lu_lambdas", SigmaKind::lu},
                                  {"use_flow_sigmas", SigmaKind::flow}};

}  // namespace

std::vector<std::string> sigma_names() {
  std::vector<std::string> names;
  for (const auto& [name, kind] : kLists) names.emplace_back(name);
  return names;
}

SigmaKind read_sigma_kind(JsonFields& f, const std::vector<std::string>& more) {
  SigmaKind result = SigmaKind::spaced;
  std::string first;
  for (const auto& [key, kind] : kUses) {
    const bool known = kind != SigmaKind::lu && kind != SigmaKind::flow;
    if (!known && std::ranges::find(more, key) == more.end()) continue;
    if (!f.boolean(key, false)) continue;
    if (!first.empty()) f.refuse(key, "false where " + first + " is true");
    result = kind;
    first = key;
  }
  return result;
}

SigmaKind chosen_sigmas(const SamplingOptions& options, SigmaKind configured) {
  if (options.sigmas.empty()) return configured;
  std::string all;
  for (const auto& [name, kind] : kLists) {
    if (options.sigmas == name) return kind;
    all += (all.empty() ? "" : ", ") + std::string(name);
  }
  throw Error("sampling_of: sigmas must be one of " + all + ", got " + options.sigmas.substr(0, 200));
}

TrainingSigmas::TrainingSigmas(const Schedule& schedule) {
  std::vector<double> values;
  for (int t = 0; t < schedule.steps(); ++t) {
    auto kept = static_cast<float>(schedule.alpha_bar(t)), rest = static_cast<float>(schedule.one_minus_alpha_bar(t));
    if (kept == 0) {
      kept = 0x1p-24f;
      rest = 1 - kept;
    }
    values.push_back(std::sqrt(rest / kept));
  }
  *this = TrainingSigmas(std::move(values));
}

TrainingSigmas::TrainingSigmas(std::vector<double> values) : values_(std::move(values)) {
  for (double& sigma : values_) {
    sigma = static_cast<float>(sigma);
    logs_.push_back(static_cast<float>(std::log(sigma)));
  }
}

double TrainingSigmas::at(double t) const {
  if (t <= 0) return smallest();
  const auto low = static_cast<std::size_t>(t);
  if (low + 1 >= values_.size()) return largest();
  return (values_[low + 1] - values_[low]) * (t - static_cast<double>(low)) + values_[low];
}

double TrainingSigmas::t_of(double sigma) const {
  const double wanted = std::log(std::max(sigma, 1e-10));
  const auto above = std::ranges::upper_bound(logs_, wanted, {}, [](float v) { return static_cast<double>(v); });
  const std::ptrdiff_t low = std::clamp<std::ptrdiff_t>(above - logs_.begin() - 1, 0, std::ssize(logs_) - 2);
  const float a = logs_[static_cast<std::size_t>(low)], b = logs_[static_cast<std::size_t>(low) + 1];
  const double w = std::clamp((static_cast<double>(a) - wanted) / static_cast<double>(a - b), 0.0, 1.0);
  return (1 - w) * static_cast<double>(low) + w * static_cast<double>(low + 1);
}

LevelAt TrainingSigmas::level_at() const {
  return [table = *this](double sigma) { return NoiseLevel{table.t_of(sigma), 1, sigma}; };
}

std::vector<double> listed_sigmas(SigmaKind kind, int n, const TrainingSigmas& table, double sigma_min, double sigma_max) {
  switch (kind) {
    case SigmaKind::karras:
      return karras_sigmas(n, sigma_min, sigma_max);
    case SigmaKind::exponential:
      return exponential_sigmas(n, sigma_min, sigma_max);
    case SigmaKind::polyexponential:
      return polyexponential_sigmas(n, sigma_min, sigma_max);
    case SigmaKind::beta:
      return beta_sigmas(n, sigma_min, sigma_max);
    case SigmaKind::lu:
      return lu_sigmas(n, sigma_min, sigma_max);
    case SigmaKind::simple:
      return simple_sigmas(n, table.values());
    case SigmaKind::sgm_uniform:
      return sgm_uniform_sigmas(n, table.values());
    case SigmaKind::ays:
      return ays_sigmas(n, AysTable::sd);
    case SigmaKind::ays_sdxl:
      return ays_sigmas(n, AysTable::sdxl);
    case SigmaKind::ays_svd:
      return ays_sigmas(n, AysTable::svd);
    case SigmaKind::spaced:
    case SigmaKind::flow:
      break;
  }
  throw Error("listed_sigmas: this kind has no list of its own");
}

std::vector<double> float_timesteps(int train_steps, int n, const SpacingFields& spacing) {
  std::vector<double> result;
  if (spacing.spacing == Spacing::linspace) {
    for (int i = n - 1; i >= 0; --i) {
      const double t = n > 1 ? (i == n - 1 ? train_steps - 1.0 : i * ((train_steps - 1.0) / (n - 1))) : 0;
      result.push_back(static_cast<float>(t));
    }
    return result;
  }
  const std::vector<int> ts = timesteps(train_steps, n, spacing.spacing, spacing.offset);
  return {ts.begin(), ts.end()};
}

}  // namespace eddy::inline v0_1
