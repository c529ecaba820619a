// Training: losses, the optimiser, and the loop over both.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eddy/cancel.hpp"
#include "eddy/data.hpp"
#include "eddy/network.hpp"
#include "eddy/nn.hpp"
#include "eddy/rate.hpp"
#include "eddy/schedule.hpp"

namespace eddy::inline v0_1 {

// ---- losses ------------------------------------------------------------------------------------------------------

// Where a micro-batch stands in its step: samples [first, first + N) of `total`.
struct Draw {
  std::uint64_t seed = 0;
  std::uint64_t step = 0;
  std::int64_t first = 0;
  std::int64_t total = 0;
  std::vector<double> quantiles{};   // given: where each sample lies among the levels, in [0, 1), clean first; empty: drawn
  std::vector<NoiseLevel> levels{};  // given: the level of each sample, and nothing is drawn
};

// draw.quantiles, or stratified ones: sample i of `total` draws from [i / total, (i + 1) / total).
EDDY_API std::vector<double> quantiles(const Draw& draw, std::int64_t n);

// One value a sample, (N), on the tape. A loss may own parameters and hold networks of its own.
using Loss = std::function<Tensor(const Network& network, const Batch& batch, const Draw& draw)>;

// What a network learns at one level: it sees c_in x, x = alpha x0 + sigma eps, is told c_noise as t, and its output is compared
// with of_x0 x0 + of_eps eps. Noise: {1, t, 0, 1}. Flow, at alpha = 1 - t and sigma = t: {1, t, -1, 1} [Lipman2023]. A
// network preconditioned by c_skip and c_out: of_x0 = (1 - c_skip alpha) / c_out, of_eps = -c_skip sigma / c_out, the weight
// times c_out^2 [Karras2022, Eq. 8].
struct LevelTarget {
  double c_in = 1, c_noise = 0;
  double of_x0 = 0, of_eps = 0;
  double weight = 1;  // of the squared error
};

struct Objective {
  std::function<NoiseLevel(double quantile)> level;  // of a quantile in [0, 1): how levels are drawn
  std::function<LevelTarget(const NoiseLevel&)> target;
};

// Squared error of the target, times the weight, its mean a sample. batch.condition goes to the network as it is.
EDDY_API Loss objective(const Objective& objective);

enum class PredictionType { epsilon, sample, v_prediction };
enum class Weighting { mse, snr, min_snr };

struct ObjectiveOptions {
  PredictionType prediction = PredictionType::epsilon;
  Weighting weighting = Weighting::mse;
  double min_snr_gamma = 5;         // [Hang2023, 3.4]
  bool learned_range = false;       // the network has twice x's channels and learns the variance too
  bool eight_bit = true;            // then the last step is read out on 256 levels in [-1, 1], else by a density
};

// What a network of the schedule learns, at timesteps drawn evenly. mse: squared error of the target [Ho2020, Eq. 14]. snr and
// min_snr: the squared error that follows in x0, times snr [Salimans2022, 4] or min(snr, gamma) [Hang2023, Eq. 10]; where the
// SNR is 0 the target's own, times 1. learned_range adds (T / 1000) times the variational bound in bits a dimension, in which
// only the variance learns and which is not weighted [Nichol2021, Eq. 16].
// Throws Error for noise prediction where the SNR is 0.
EDDY_API Loss objective(const Schedule& schedule, const ObjectiveOptions& options = {});

// Terms of the bound [Nichol2021, Eq. 4 to 7] in bits a dimension, (N), differentiable in v, the network's variance half
// (-1 to 1). predicted_x0 counts as a constant.
EDDY_API Tensor variational_bound(const Schedule& schedule, const Tensor& x0, const Tensor& x, const Tensor& predicted_x0,
                                  const Tensor& v, std::span<const int> timesteps, bool eight_bit = true);

// ---- the optimiser -----------------------------------------------------------------------------------------------

// What the rate and the weight decay are multiplied by for one parameter.
struct ParameterFactors {
  double rate = 1, decay = 1;
  friend bool operator==(const ParameterFactors&, const ParameterFactors&) = default;
};

// The fields of torch.optim.AdamW, whose weight_decay is 0.01.
struct OptimizerOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0;
  bool ema = true;
  std::function<ParameterFactors(const Parameter&)> factors{};  // asked once for each; none: 1 and 1
};

// AdamW [Loshchilov2019, Alg. 2] over the trainable ones of the parameters, in their order, with a moving average of the
// weights; each kind of state lies in one arena. A handle: copies share the state.
class EDDY_API Optimizer {
 public:
  explicit Optimizer(std::span<const Parameter> parameters, const OptimizerOptions& options = {});
  const std::vector<Parameter>& parameters() const;

  // An arena (1-D) with the derivatives of a scalar; its tape is used up.
  Tensor gradients(const Tensor& loss) const;
  // Parameter i's part of an arena, sharing storage.
  Tensor part(const Tensor& arena, std::size_t i) const;
  double norm(const Tensor& gradients) const;
  // One update with the gradients times `factor`; the average keeps `ema_decay` of what it was.
  void step(const Tensor& gradients, double rate, double factor = 1, double ema_decay = 0) const;
  // The average alone, when something changed the weights after step(..., 1).
  void update_average(double ema_decay) const;
  std::int64_t applied() const;  // updates so far
  void set_applied(std::int64_t n) const;

  // Arenas of both moments and of the average (empty without one).
  const Tensor& first_moment() const;
  const Tensor& second_moment() const;
  const Tensor& average() const;
  // Exchanges the weights and their average.
  void swap_average() const;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

// How much the average of the weights keeps of itself, as diffusers' EMAModel has it. EMAModel's own update_after_step is 0: its
// first update is a copy of the weights. At -1 the average begins with the weights of before the training.
struct EmaOptions {
  double decay = 0.9999;  // at most, in [0, 1)
  double min_decay = 0;   // at least, once the average has begun
  std::int64_t update_after_step = -1;
  double power = 0;       // 0: warms up as (1 + s) / (10 + s); else as 1 - (1 + s / inv_gamma)^-power (use_ema_warmup)
  double inv_gamma = 1;
};

// At update n, from 1, with s = n - update_after_step - 1: 0 while s <= 0, then what s gives, limited to [min_decay, decay]. At
// the defaults min(decay, (1 + n) / (10 + n)). Throws Error for options out of range, and for an inv_gamma without power.
EDDY_API double ema_decay(const EmaOptions& options, std::int64_t update);

// ---- the loop ----------------------------------------------------------------------------------------------------

struct TrainState {
  std::int64_t step = 0;            // steps done, skipped ones included
  std::int64_t skipped = 0;         // for a loss or gradient that was not finite
  std::int64_t skipped_in_row = 0;
  double seconds = 0;               // spent in train, callbacks included
};

struct TrainReport {
  std::int64_t step;  // just done, from 1
  double loss, grad_norm, rate;
  bool skipped;
  double seconds;  // of this step, callbacks left out
};

// The sum over the micro-batches [first, first + count) of a step, a complete subtree of the binary tree over their index.
struct Partial {
  std::int64_t first, count;
  Tensor gradients;  // an arena of the optimiser
  double loss;
};

// The sum of all of a step's partials, in the tree's order: the same bytes whoever made them. Writes into their gradients. Throws
// Error when a micro-batch is missing or there twice.
EDDY_API Partial joined(std::vector<Partial> partials, std::int64_t micro_batches);

struct TrainOptions {
  std::int64_t steps = 1000;
  std::int64_t batch_size = 64;     // of a micro-batch
  std::int64_t accumulate = 1;      // micro-batches a step
  // Of a step's micro-batches this process computes [first_micro_batch, first_micro_batch + micro_batches); 0: to the last.
  std::int64_t first_micro_batch = 0, micro_batches = 0;
  // Called between backward and clipping with this process's partials; returns the whole step's. Needed where others compute.
  std::function<Partial(std::span<const Partial>)> reduce{};
  double learning_rate = 1e-4;
  RateSchedule rate_schedule = cosine_rate();
  double max_grad_norm = 1;         // 0: no clipping; else the gradient times min(1, max_grad_norm / (norm + 1e-6))
  EmaOptions ema{};
  std::uint64_t seed = 0;
  bool flip = false;
  double label_dropout = 0;
  std::int64_t no_label = -1;
  std::function<void(std::span<const Parameter>)> after_step{};  // before the average is taken
  std::function<void(const TrainReport&)> on_step{};
  std::function<void(const std::string&)> on_warning{};
  CancelToken cancel{};
};

// Trains from state.step to options.steps. A step is a function of (seed, step, weights): stopping and going on changes no
// byte. A cancelled call throws Cancelled with state, weights and optimiser as after the last whole step. Ten skipped steps
// in a row throw Error naming the first bad tensor.
EDDY_API void train(const Network& network, const Optimizer& optimizer, std::shared_ptr<const Dataset> data, const Loss& loss,
                    const TrainOptions& options, TrainState& state);

// ---- checkpoints -------------------------------------------------------------------------------------------------

// All that going on needs, as a folder that appears complete or not at all: state.safetensors with the weights (model.*), their
// average (ema.*) and both moments (exp_avg.*, exp_avg_sq.*) of the optimiser's parameters, and state.json with the position. An
// existing one is replaced.
EDDY_API void save_checkpoint(const std::string& folder, const Optimizer& optimizer, const TrainState& state);
// Fills weights, average and moments, and returns the position. Throws Error, naming the file, for a folder of other
// parameters, before anything is written.
EDDY_API TrainState load_checkpoint(const std::string& folder, const Optimizer& optimizer);

// ---- held-out loss -----------------------------------------------------------------------------------------------

// Mean loss over `count` samples at fixed noise and quantiles of the levels, all and by quarter of them (clean first).
struct HeldOutLoss {
  double all = 0;
  std::array<double, 4> quarter{};
};
EDDY_API HeldOutLoss held_out_loss(const Network& network, const Dataset& data, const Loss& loss, std::int64_t count,
                                   std::uint64_t seed, std::int64_t batch_size, const Context& context = {});

}  // namespace eddy::inline v0_1
