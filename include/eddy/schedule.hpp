// Noise schedules: numbers only, in double.
//
// Everything hangs on x_t = alpha_t x_0 + sigma_t eps. A discrete schedule is a table over t = 0 .. T-1 with
// alpha^2 + sigma^2 = 1; index t has t + 1 steps of noise in it. `alpha_bar` is alpha^2, the DDPM paper's cumulative product.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "eddy/version.hpp"

namespace eddy::inline v0_1 {

// x = alpha x0 + sigma eps; t is only what the network is told.
struct NoiseLevel {
  double t, alpha, sigma;
  friend bool operator==(const NoiseLevel&, const NoiseLevel&) = default;
};

struct Step {
  NoiseLevel from, to;
};

// ---- betas -------------------------------------------------------------------------------------------------------

EDDY_API std::vector<double> linear_betas(int steps, double beta_start = 1e-4, double beta_end = 0.02);  // [Ho2020, 4]
// Linear in the square root, as latent diffusion has it.
EDDY_API std::vector<double> scaled_linear_betas(int steps, double beta_start = 0.00085, double beta_end = 0.012);
// "squaredcos_cap_v2": alpha_bar(u) = cos^2((u + 0.008) / 1.008 pi / 2), betas at most `largest` [Nichol2021, Eq. 17].
EDDY_API std::vector<double> cosine_betas(int steps, double largest = 0.999);
// "exp": alpha_bar(u) = exp(-12 u), the same beta at every t.
EDDY_API std::vector<double> exponential_betas(int steps, double largest = 0.999);
// log-SNR(u) = mu - b sgn(0.5 - u) ln(1 - 2 |0.5 - u|), the quantiles of a Laplace distribution; betas at most `largest`
// [Hang2024, 2].
EDDY_API std::vector<double> laplace_betas(int steps, double mu = 0, double b = 0.5, double largest = 0.999);
// A logistic curve over [-6, 6] between the two.
EDDY_API std::vector<double> sigmoid_betas(int steps, double beta_start = 1e-4, double beta_end = 0.02);
// Shifts and scales sqrt(alpha_bar) so that the last is 0 and the first stays [Lin2023, Alg. 1].
EDDY_API std::vector<double> rescale_zero_terminal_snr(std::span<const double> betas);

// The betas of diffusers' `beta_schedule`, float32 values in diffusers' order of operations. Throws Error for an unknown name;
// known: linear, scaled_linear, squaredcos_cap_v2, exp, sigmoid, laplace (whose alpha_bar is the root of that of laplace_betas).
EDDY_API std::vector<double> diffusers_betas(const std::string& beta_schedule, int steps, double beta_start, double beta_end);

// ---- the table ---------------------------------------------------------------------------------------------------

class EDDY_API Schedule {
 public:
  // betas in (0, 1]; only the last may be 1. Throws Error naming the entry otherwise.
  explicit Schedule(std::vector<double> betas);
  // The same with every table rounded to float32 in diffusers' order of operations: people's pictures depend on it.
  // Throws Error as above, and where the first and the last level are one and the last SNR is to be 0.
  static Schedule diffusers(std::span<const double> betas, bool zero_terminal_snr);

  int steps() const noexcept { return static_cast<int>(betas_.size()); }
  // Views at t in [0, steps()); throw Error elsewhere.
  double beta(int t) const;
  double alpha_bar(int t) const;
  double one_minus_alpha_bar(int t) const;  // without cancellation
  double alpha(int t) const;                // sqrt(alpha_bar)
  double sigma(int t) const;                // sqrt(1 - alpha_bar)
  double snr(int t) const;                  // alpha_bar / (1 - alpha_bar)
  double log_snr(int t) const;
  double ve_sigma(int t) const;  // sigma / alpha: the level where alpha is 1
  NoiseLevel level(int t) const;

  // Between the entries: log-SNR is linear in t on [0, steps() - 1] (finite part). Throw Error outside.
  NoiseLevel level_at(double t) const;
  // The t of a log-SNR, limited to the table.
  double t_of_log_snr(double log_snr) const;

 private:
  Schedule() = default;
  void check(int t) const;
  std::vector<double> betas_, alpha_bars_, rests_;
};

EDDY_API Schedule linear_schedule(int steps, double beta_start = 1e-4, double beta_end = 0.02);
EDDY_API Schedule scaled_linear_schedule(int steps, double beta_start = 0.00085, double beta_end = 0.012);
EDDY_API Schedule cosine_schedule(int steps);
EDDY_API Schedule sigmoid_schedule(int steps, double beta_start = 1e-4, double beta_end = 0.02);
// Any table with its last SNR moved to zero.
EDDY_API Schedule zero_terminal_snr(const Schedule& schedule);

// ---- spacings ----------------------------------------------------------------------------------------------------

enum class Spacing { linspace, leading, trailing };

// The timesteps of n steps, noisy first, as diffusers' set_timesteps(n) has them; steps_offset counts for `leading`.
EDDY_API std::vector<int> timesteps(int train_steps, int n, Spacing spacing, int steps_offset = 0);

// Levels of those timesteps and behind them the clean one, (t, 1, 0).
EDDY_API std::vector<NoiseLevel> linspace_levels(const Schedule& schedule, int n);
EDDY_API std::vector<NoiseLevel> leading_levels(const Schedule& schedule, int n, int steps_offset = 0);
EDDY_API std::vector<NoiseLevel> trailing_levels(const Schedule& schedule, int n);

// Pairs a list: from levels[i] to levels[i + 1].
EDDY_API std::vector<Step> steps(std::span<const NoiseLevel> levels);

// diffusers' DDIM steps: to t - T / n whatever the spacing; below 0 the clean level, or that of t = 0 when
// set_alpha_to_one is false.
EDDY_API std::vector<Step> ddim_steps(const Schedule& schedule, int n, Spacing spacing, int steps_offset = 0,
                                      bool set_alpha_to_one = true);
// diffusers' DDIMInverseScheduler: from t - T / n to t for ascending t, below 0 as above; the network is told t.
EDDY_API std::vector<Step> ddim_inversion_steps(const Schedule& schedule, int n, Spacing spacing, int steps_offset = 0,
                                                bool set_alpha_to_one = true);
// diffusers' DDPM steps: to the next entry of the list, the last to the clean level.
EDDY_API std::vector<Step> ddpm_steps(const Schedule& schedule, int n, Spacing spacing, int steps_offset = 0);

// A list for RePaint: after every jump_length steps those are done again, jump_n_sample times in all, from where they began;
// the first of them, and what is left over at the noisy end, once [Lugmayr2022, 4.2]. Throws Error for numbers below 1, and
// beyond 1,000,000 steps.
EDDY_API std::vector<Step> resampled_steps(std::span<const Step> steps, int jump_length, int jump_n_sample);

// ---- sigmas at alpha = 1 -----------------------------------------------------------------------------------------

// n sigmas, noisy first, without the closing 0; each with its first at sigma_max and, for n above 1, its last at sigma_min.
// Throw Error for n below 1, sigma_min not above 0 or above sigma_max, rho not above 0, and a or b not in (0, 10000].
EDDY_API std::vector<double> karras_sigmas(int n, double sigma_min, double sigma_max, double rho = 7);  // [Karras2022, Eq. 5]
EDDY_API std::vector<double> exponential_sigmas(int n, double sigma_min, double sigma_max);  // even in ln sigma
// ln sigma by the power rho of an even ramp; k-diffusion's [Crowson2022].
EDDY_API std::vector<double> polyexponential_sigmas(int n, double sigma_min, double sigma_max, double rho = 1);
EDDY_API std::vector<double> beta_sigmas(int n, double sigma_min, double sigma_max, double a = 0.6, double b = 0.6);  // [Lee2024]
// Even in log-SNR at rho = 1 [Lu2022], else even in its root of degree rho (the root keeps the sign).
EDDY_API std::vector<double> lu_sigmas(int n, double sigma_min, double sigma_max, double rho = 1);

// n sigmas out of a table of training, clean first. `simple` takes every (T / n)-th, `sgm_uniform` divides [0, T - 1] evenly and
// leaves out the clean end. Throw Error for n below 1 and tables of less than two.
EDDY_API std::vector<double> simple_sigmas(int n, std::span<const double> table);
EDDY_API std::vector<double> sgm_uniform_sigmas(int n, std::span<const double> table);

// "Align your steps" [Sabour2024]: ten steps chosen for Stable Diffusion 1.5, SDXL or Stable Video Diffusion; for other n,
// ln sigma is interpolated, as the authors do. Throws Error for n below 1.
enum class AysTable { sd, sdxl, svd };
EDDY_API std::vector<double> ays_sigmas(int n, AysTable table = AysTable::sd);

// (ln(sigma) / 4, 1, sigma): what networks of EDM are told, c_noise [Karras2022, Table 1]. Throws Error for a sigma that is
// not above 0 or not finite.
EDDY_API NoiseLevel edm_level(double sigma);

// sigma / alpha of every t; infinite where alpha is 0.
EDDY_API std::vector<double> training_sigmas(const Schedule& schedule);

}  // namespace eddy::inline v0_1
