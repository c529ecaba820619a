// Samplers: free functions (denoiser, x, steps, noise, options) -> x. The steps are data; nothing is recomputed inside.
#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "eddy/cancel.hpp"
#include "eddy/denoiser.hpp"
#include "eddy/random.hpp"

namespace eddy::inline v0_1 {

// How the predicted x0 is limited; off by default.
struct Clip {
  enum class Kind { none, range, dynamic };
  Kind kind = Kind::none;
  double range = 1;         // `range`: to [-range, range]
  double ratio = 0.995;     // `dynamic` [Saharia2022, 2.3]: s = this quantile of |x0| of a sample, at least 1, at most largest,
  double largest = 1;       // then x0 limited to [-s, s] and divided by s
};

// What a callback sees after a step. It may replace x.
struct StepReport {
  std::size_t step;                     // from 0
  std::size_t steps;
  NoiseLevel level;                     // of x
  Tensor& x;
  const std::function<Tensor()>& x0;    // the prediction of x0, limited, when asked for
};

struct SamplerOptions {
  Clip clip;
  std::function<void(const StepReport&)> on_step;
  CancelToken cancel;
  // Where the steps are the end of a longer list (image to image): how many of it come before them. What goes by the whole
  // list's length, or by a step's place in it, counts them too: lower_order_final, `uncorrected`, s_churn.
  std::size_t steps_before = 0;
};

// For methods that leave the list of steps: the level whose sigma / alpha is this, at the scale of the steps.
using LevelAt = std::function<NoiseLevel(double ratio)>;

// ---- DDIM and DDPM -----------------------------------------------------------------------------------------------

struct DdimOptions : SamplerOptions {
  double eta = 0;                         // 0: deterministic, 1: ancestral
  bool use_clipped_model_output = false;  // eps again from the limited x0
};

// DDIM [Song2021]. x (N, ...) at steps[0].from -> x at steps.back().to. Throws Error for steps that do not lead from noisy to
// clean, and for a latent that is not finite, naming the step; Cancelled when cancelled.
EDDY_API Tensor sample_ddim(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                            const DdimOptions& options = {});

// The same without noise towards the noisy end: a list of steps from clean to noisy. The network is told from.t, as diffusers'
// DDIMInverseScheduler does.
EDDY_API Tensor invert_ddim(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const DdimOptions& options = {});

enum class Variance {
  fixed_small,   // the posterior's, beta~ [Ho2020, Eq. 7]
  fixed_large,   // beta [Ho2020, 3.2]
  learned_range,  // between the two in the logarithm, from Prediction.variance [Nichol2021, Eq. 15]
  learned,        // Prediction.variance itself, which must not be negative; diffusers' "learned"
  learned_log     // Prediction.variance is its logarithm
};

struct DdpmOptions : SamplerOptions {
  Variance variance = Variance::fixed_small;
  bool noise_at_end = false;  // in a step to sigma = 0 too, as diffusers has it where the last timestep is above 0
};

// Ancestral sampling [Ho2020, Alg. 2]; no noise in a step that ends at sigma = 0, unless asked. Throws Error as
// sample_ddim does, for a step that begins at sigma = 0 or ends at alpha = 0, and for a learned variance below 0.
EDDY_API Tensor sample_ddpm(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                            const DdpmOptions& options = {});

// ---- in sigma space: Euler, Heun and their kin -------------------------------------------------------------------

// All of these throw Error and Cancelled as sample_ddim does. Where x0 is limited, eps goes with it.

// Before each step whose sigma / alpha is in [s_tmin, s_tmax], x is made noisier, to (1 + gamma) sigma / alpha with
// gamma = min(s_churn / steps, sqrt(2) - 1), by noise of s_noise times the deviation that it takes [Karras2022, Alg. 2].
struct Churn {
  double s_churn = 0, s_tmin = 0, s_tmax = std::numeric_limits<double>::infinity(), s_noise = 1;
};

// The level of the noisier x is level_at's: throws Error for churn without it, and for numbers of Churn below 0.
struct ChurnOptions : SamplerOptions {
  Churn churn;
  LevelAt level_at;
};

struct EulerOptions : ChurnOptions {
  // The network sees x before it is made noisier, as in diffusers; this makes x0 of the noisier x from what it said. Empty: it
  // sees the noisier x, as in [Karras2022, Alg. 2].
  std::function<Tensor(const Prediction& before, const Tensor& x, const Tensor& churned, const NoiseLevel& from,
                       const NoiseLevel& noisier)>
      x0_of_churned;
};

// Euler's method on the probability-flow ODE [Karras2022, Alg. 2]; order 1. Without churn the same as DDIM at eta 0.
EDDY_API Tensor sample_euler(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                             const EulerOptions& options = {});

// Heun's method [Karras2022, Alg. 2]; order 2, two evaluations a step, one where a step ends at sigma = 0.
EDDY_API Tensor sample_heun(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                            const ChurnOptions& options = {});

// "DPM2" of k-diffusion [Crowson2022], the midpoint method at sqrt(sigma sigma') [Karras2022, Alg. 3 is its family]; order 2, two
// evaluations a step, one where a step ends at sigma = 0. Throws Error without level_at.
EDDY_API Tensor sample_dpm_2(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                             const ChurnOptions& options);

struct AncestralOptions : SamplerOptions {
  double eta = 1;      // 0: deterministic, 1: ancestral; at infinity all noise of a step's end is new
  double s_noise = 1;  // factor of the noise
};

// Euler's method to a cleaner level than the step's end, then noise up to it [Crowson2022]; the same as DDIM with this eta.
EDDY_API Tensor sample_euler_ancestral(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                                       const AncestralOptions& options = {});

struct Dpm2AncestralOptions : AncestralOptions {
  LevelAt level_at;
};

// sample_dpm_2 to a cleaner level than the step's end, then noise up to it [Crowson2022]. Throws Error without level_at.
EDDY_API Tensor sample_dpm_2_ancestral(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                                       const Dpm2AncestralOptions& options);

struct LmsOptions : SamplerOptions {
  int order = 4;  // 1 to 4
};

// Linear multistep (Adams-Bashforth on uneven steps) [Crowson2022]; one evaluation a step, the first steps of lower order.
EDDY_API Tensor sample_lms(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                           const LmsOptions& options = {});

// ---- exponential integrators: DPM-Solver, DEIS, UniPC ------------------------------------------------------------

// What is taken as smooth in lambda = ln(alpha / sigma): x0 (DPM-Solver++) or eps (DPM-Solver).
enum class Integrand { x0, eps };

// The second order of DPM-Solver: with half the first order's weight, or that of the exact integral of a line.
enum class SecondOrder { midpoint, heun };

struct DpmMultistepOptions : SamplerOptions {
  int order = 2;                                      // 1 to 3
  Integrand integrand = Integrand::x0;
  SecondOrder second_order = SecondOrder::midpoint;
  double eta = 0;                                     // 0: the ODE, 1: the SDE of training
  bool lower_order_final = true;                      // below 15 steps the last is of order 1, the one before of order 2 at most
  bool euler_at_final = false;                        // the last is of order 1 always
  bool diffusers_third_order = false;                 // order 3 with the weight that diffusers and k-diffusion give to m''
};

// DPM-Solver++ [Lu2022b] and DPM-Solver [Lu2022] from the last evaluations; order 2 is DPM++ 2M, k-diffusion's dpmpp_2m, with
// eta 1 dpmpp_2m_sde. One evaluation a step. x (N, ...) at steps[0].from -> x at steps.back().to; a step to sigma = 0 gives
// alpha x0. Throws Error for an order outside 1 to 3, a negative eta, and as sample_ddim does.
EDDY_API Tensor sample_dpm_multistep(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                                     const DpmMultistepOptions& options = {});

// The same towards the noisy end: a list of steps from clean to noisy. Throws Error for an eta that is not 0.
EDDY_API Tensor invert_dpm_multistep(const Denoiser& denoise, Tensor x, std::span<const Step> steps,
                                     const DpmMultistepOptions& options = {});

struct DpmSinglestepOptions : SamplerOptions {
  int order = 2;                                      // 1 to 3
  Integrand integrand = Integrand::x0;
  SecondOrder second_order = SecondOrder::midpoint;   // in order 3 too
  double eta = 0;
  bool lower_order_final = true;                      // see singlestep_orders
  bool diffusers_third_order = false;                 // order 3 of the SDE with the weight that diffusers gives to m''
};

// The same from evaluations inside a block of steps alone [Lu2022, 3.2; Lu2022b, 4.2]. One evaluation a step; noise within a
// block of several steps is drawn anew each time. Throws Error as sample_dpm_multistep and singlestep_orders do.
EDDY_API Tensor sample_dpm_singlestep(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                                      const DpmSinglestepOptions& options = {});

// The order of each of so many steps: 1, 2, 3, 1, 2, 3, ..., the last 1 where a full block would end the list. Throws Error for
// an order outside 1 to 3, and, without lower_order_final, for a number of steps that is no multiple of the order.
EDDY_API std::vector<int> singlestep_orders(int steps, int order, bool lower_order_final = true);

struct DeisOptions : SamplerOptions {
  int order = 2;                  // 1 to 3
  bool lower_order_final = true;  // below 15 steps the last is of order 1, the one before of order 2 at most
};

// DEIS in ln(sigma / alpha) [Zhang2023]. One evaluation a step, no noise. Throws Error for an order outside 1 to 3, and as
// sample_ddim does.
EDDY_API Tensor sample_deis(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const DeisOptions& options = {});

// The paper's B(h): h, or e^h - 1 (of -h where x0 is integrated).
enum class UnipcB { bh1, bh2 };

// A predictor of one's own, (prediction at step.from, x there, step, its index) -> x at step.to. The prediction was made before x
// was corrected.
using Predictor = std::function<Tensor(const Prediction&, const Tensor& x, const Step&, std::size_t i)>;

struct UnipcOptions : SamplerOptions {
  int order = 2;                           // at least 1
  Integrand integrand = Integrand::x0;
  UnipcB b = UnipcB::bh2;
  bool lower_order_final = true;           // the last steps are of order ..., 2, 1
  std::vector<std::size_t> uncorrected{};  // steps whose result is not corrected, by their place in the whole list
  Predictor predictor{};                   // in place of UniP; diffusers' `solver_p`
};

// UniPC [Zhao2023]: predicts with UniP, then corrects x with the evaluation at the predicted x (UniC), one order higher. One
// evaluation a step, no noise; on_step sees the predicted x, and what it changes is kept through the correction. Throws Error
// for an order below 1, and as sample_ddim does.
EDDY_API Tensor sample_unipc(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const UnipcOptions& options = {});

// ---- with Brownian noise, and with steps of their own choice -----------------------------------------------------

// All of these take steps from noisy to clean at any alpha above 0, and throw Error as sample_ddim does, and for options out of
// their range. Their Brownian noise is a path over sigma / alpha (NoiseSource::brownian). Those that leave the list of steps need
// level_at.
struct StochasticOptions : SamplerOptions {
  double eta = 1;      // 0: deterministic; 1: the SDE whose marginals are the forward process's
  double s_noise = 1;  // factor of the noise
};

struct BrownianOptions : StochasticOptions {
  std::optional<std::uint64_t> noise_seed;  // of the path; none: the source's own
};

// DPM-Solver++(2S) with ancestral steps: deterministic in two evaluations to a level below the next one, then noise
// [Lu2022b, Alg. 1; Song2021, Eq. 16]. Of k-diffusion. Second order at eta = 0.
struct Dpmpp2sOptions : StochasticOptions {
  LevelAt level_at;
};
EDDY_API Tensor sample_dpmpp_2s_ancestral(const Denoiser& denoise, Tensor x, std::span<const Step> steps,
                                          const NoiseSource& noise, const Dpmpp2sOptions& options = {});

// The same as an SDE: noise in both stages, of one Brownian path. Of k-diffusion; diffusers' DPMSolverSDEScheduler is r = 1/2,
// eta = 1.
struct DpmppSdeOptions : BrownianOptions {
  double r = 0.5;  // where in log-SNR the second evaluation stands, in (0, 1]
  LevelAt level_at;
};
EDDY_API Tensor sample_dpmpp_sde(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                                 const DpmppSdeOptions& options = {});

// DPM-Solver++(2M) for the SDE: second order by the x0 before [Lu2022b, Alg. 2]. Of k-diffusion.
struct Dpmpp2mSdeOptions : BrownianOptions {
  enum class Correction { midpoint, heun } correction = Correction::midpoint;
};
EDDY_API Tensor sample_dpmpp_2m_sde(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                                    const Dpmpp2mSdeOptions& options = {});

// The same with two x0 before: third order at eta = 0. Of k-diffusion, which takes half of the curvature of x0, and so stays at
// second order.
struct Dpmpp3mSdeOptions : BrownianOptions {
  bool half_curvature = false;  // as k-diffusion
};
EDDY_API Tensor sample_dpmpp_3m_sde(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                                    const Dpmpp3mSdeOptions& options = {});

// DPM-Solver of orders 1, 2 and 3 by single steps [Lu2022, Alg. 1 and 2], with ancestral noise. Of k-diffusion.
struct DpmFastOptions : StochasticOptions {
  DpmFastOptions() { eta = 0; }
  std::vector<int> orders;  // of each step, 1 to 3; empty: all of them 3
  LevelAt level_at;
};
// The steps' `to` must have sigma above 0.
EDDY_API Tensor sample_dpm_fast(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                                const DpmFastOptions& options = {});
// The orders that spend so many evaluations on as few steps as can be: 3, ..., 3, and then what is left [Lu2022, 3.3]. Throws
// Error for less than one, or more than 1,000,000.
EDDY_API std::vector<int> dpm_fast_orders(int evaluations);

// DPM-Solver-12 and -23: steps of the size that keeps the difference of two orders within a tolerance [Lu2022, 3.3], with a
// PID controller. Of k-diffusion. Each Step is covered by as many of its own as that takes; on_step is called once a Step.
struct DpmAdaptiveOptions : StochasticOptions {
  DpmAdaptiveOptions() { eta = 0; }
  int order = 3;                                // 2 or 3
  double rtol = 0.05, atol = 0.0078;            // of x / alpha
  double h_init = 0.05;                         // first step in log-SNR
  double pcoeff = 0, icoeff = 1, dcoeff = 0;    // of the controller
  double accept_safety = 0.81;                  // a step is taken when the controller's factor reaches this
  int most_trials = 10000;                      // for a Step; more are an Error
  bool batch_coupled = false;                   // one decision for the batch, as k-diffusion; else one a sample
  LevelAt level_at;
};
EDDY_API Tensor sample_dpm_adaptive(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                                    const DpmAdaptiveOptions& options = {});

// ---- multistep and few-step methods at alpha^2 + sigma^2 = 1, and the score-based ones ---------------------------

// What the network itself predicts, for methods that combine its raw outputs at several levels.
enum class Raw { eps, velocity };

struct PndmOptions : SamplerOptions {
  Raw raw = Raw::eps;
  bool runge_kutta = true;  // the first three steps by Runge and Kutta, four evaluations each; else the first by Heun
  // Stages of a starting step: x goes from `from` to `to` along the latest output, then the network is evaluated at `to`.
  // Runge and Kutta: two, both from the step's beginning to its middle; without it sample_pndm throws Error. Heun: one, by
  // default the step itself.
  std::function<std::vector<Step>(const Step&)> stages;
};

// Pseudo-numerical method [Liu2022, 3]: fourth order by looking back on three outputs. Throws Error as sample_ddim does,
// and for fewer than four steps with runge_kutta. Without it a single step is DDIM's. Adds no noise.
EDDY_API Tensor sample_pndm(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                            const PndmOptions& options = {});

struct IpndmOptions : SamplerOptions {
  // Above 0: x0 is (x - sigma eps) / max(alpha, this) in every step, as diffusers has it with 1e-8; at alpha = 0 the network's
  // own x0 is not looked at then.
  double least_alpha = 0;
};

// The same with lower orders at the start: one evaluation a step [Zhang2023]. At alpha = 0 a step is DDIM's.
EDDY_API Tensor sample_ipndm(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                             const IpndmOptions& options = {});

struct ConsistencyOptions : SamplerOptions {
  // c_skip = s^2 / (u^2 + s^2), c_out = u / sqrt(u^2 + s^2) with u = t times this, s = 0.5, for a network that does not meet
  // f(x, 0) = x by itself [Luo2023]; 0: the denoiser's x0 as it is.
  double timestep_scaling = 0;
  double noise_scale = 1;  // of the noise that is added again
};

// Multistep consistency sampling [Song2023, Alg. 1]: the denoiser's x0 is the end of the path through x. Each step adds new
// noise of its end's sigma; none at sigma = 0.
EDDY_API Tensor sample_consistency(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                                   const ConsistencyOptions& options = {});

struct TcdOptions : SamplerOptions {
  double eta = 0.3;  // the paper's gamma: 0 deterministic, 1 all the noise again
  std::function<NoiseLevel(double t)> level;  // of (1 - eta) t; needed by eta above 0
};

// Strategic stochastic sampling of trajectory consistency distillation [Zheng2024]. Throws Error as sample_ddim does.
EDDY_API Tensor sample_tcd(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                           const TcdOptions& options = {});

struct RepaintOptions : SamplerOptions {
  Tensor picture;  // (N or 1, ...), of x's shape otherwise
  Tensor mask;     // the same, or with one channel: 1 where the picture is known, 0 where it is to be made
  double eta = 0;
  // By which noising steps x goes back up; none: one from level to level.
  std::function<std::vector<Step>(const NoiseLevel& from, const NoiseLevel& to)> renoise;
};

// Inpainting [Lugmayr2022, Alg. 1] with DDIM's steps. A step that begins at a noisier level than the one before ended at makes
// x noisier first: `resampled_steps` makes such lists. Throws Error as sample_ddim does, and for shapes that do not fit.
EDDY_API Tensor sample_repaint(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                               const RepaintOptions& options);

struct ScoreVeOptions : SamplerOptions {
  double snr = 0.15;  // of a Langevin step
  int correct_steps = 1;
  bool batch_coupled = false;  // one Langevin step for the batch, by its mean norms, as diffusers has it; else a sample its own
};

// Predictor and corrector of the reverse SDE [Song2021b, G], correctors first; the last step adds no noise. Throws Error
// as sample_ddim does, for a step that begins at sigma = 0 or alpha = 0 or ends at alpha = 0, and for a score of zero.
EDDY_API Tensor sample_score_ve(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                                const ScoreVeOptions& options = {});

// Euler's method for the reverse variance-preserving SDE [Song2021b, Eq. 6 and 11], over int beta dt =
// 2 ln(alpha_to / alpha_from); the last step adds no noise. Throws Error as sample_ddim does, and for a step that does not begin
// at alpha^2 + sigma^2 = 1 with both above 0.
EDDY_API Tensor sample_score_vp(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                                const SamplerOptions& options = {});

// ---- parts for samplers of one's own -----------------------------------------------------------------------------

// One step of DDIM for each sample, for distillation and methods of one's own: x at from -> x at to, with z ~ N(0, I) for eta.
// Throws Error for an eta outside [0, 1], or above 0 without z.
EDDY_API Tensor ddim_step(const Prediction& prediction, std::span<const Step> steps, double eta = 0, const Tensor& z = {});

// Applies a Clip to x0.
EDDY_API Tensor clipped(const Tensor& x0, const Clip& clip);

}  // namespace eddy::inline v0_1
