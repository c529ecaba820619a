// Schedulers that walk a list of sigmas at alpha = 1: how the list is placed, diffusers' table of training, and the timestep of
// a sigma.
#pragma once

#include <span>
#include <vector>

#include "pipeline/scheduler/recipe.hpp"

namespace eddy::inline v0_1 {

// `spaced`: where the timesteps are; `flow`: where a flow's are; the others as schedule.hpp has them.
enum class SigmaKind {
  spaced, karras, exponential, polyexponential, beta, lu, flow, simple, sgm_uniform, ays, ays_sdxl, ays_svd
};

// use_karras_sigmas, use_exponential_sigmas, use_beta_sigmas and, of the class's others (use_lu_lambdas, use_flow_sigmas),
// `more`. Throws Error when more than one is true.
SigmaKind read_sigma_kind(JsonFields& fields, const std::vector<std::string>& more = {});

// What SamplingOptions.sigmas asks for, or else the configuration.
SigmaKind chosen_sigmas(const SamplingOptions& options, SigmaKind configured);

// sqrt((1 - alpha_bar) / alpha_bar) of every t in float32, as diffusers has it; where alpha_bar is 0, diffusers puts 2^-24.
class TrainingSigmas {
 public:
  explicit TrainingSigmas(const Schedule& schedule);
  explicit TrainingSigmas(std::vector<double> values);  // clean first; rounded to float32
  std::span<const double> values() const { return values_; }
  double smallest() const { return values_.front(); }
  double largest() const { return values_.back(); }
  // Linear between the entries (numpy.interp), the ends' values outside.
  double at(double t) const;
  // diffusers' _sigma_to_t: t is linear in ln sigma between the entries, limited to the table.
  double t_of(double sigma) const;
  LevelAt level_at() const;  // (t_of(sigma), 1, sigma)

 private:
  std::vector<double> values_;
  std::vector<float> logs_;
};

// n sigmas in double, noisy first, without the closing one, for every kind but `spaced` and `flow`. The ends are those of the
// list that diffusers would place anew; `simple`, `sgm_uniform` and `ays` have their own.
std::vector<double> listed_sigmas(SigmaKind kind, int n, const TrainingSigmas& table, double sigma_min, double sigma_max);

// The timesteps of sigma-space schedulers in float32, noisy first: `linspace` is not rounded to whole ones.
std::vector<double> float_timesteps(int train_steps, int n, const SpacingFields& spacing);

}  // namespace eddy::inline v0_1
