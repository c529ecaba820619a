// Schedulers: what a scheduler_config.json of diffusers asks for, made ready to run.
//
// A configuration is turned into (steps, sampler, scale of the initial noise, denoiser) by `sampling_of`; its tables are
// built in float32 in diffusers' order of operations, because people's pictures depend on it, then all goes on in double.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eddy/denoiser.hpp"
#include "eddy/sampler.hpp"
#include "eddy/schedule.hpp"

namespace eddy::inline v0_1 {

// A scheduler and its fields. Copies share what they hold; it never changes.
class EDDY_API SchedulerConfig {
 public:
  // A JSON object: `_class_name` (of diffusers, or the short name of a sampler that only k-diffusion has) and any fields; what
  // is not stated has the default of the class. Throws Error naming `source`, key and value.
  explicit SchedulerConfig(const std::string& json, const std::string& source = "scheduler");
  SchedulerConfig() : SchedulerConfig("{}") {}  // DDIMScheduler

  const std::string& class_name() const;
  const std::string& name() const;  // the short one, "ddim"
  // Every field of the class, and those stated that it does not know, as JSON text. Throws Error where memory runs out.
  std::string json() const;
  std::vector<std::string> unknown_fields() const;
  // The same with these fields (a JSON object) over the stated ones. With another `_class_name` the stated fields stay, as in
  // diffusers' from_config. Throws Error as the constructor does.
  SchedulerConfig with(const std::string& json) const;
  // The same for another sampler by its short name. Throws Error listing the names, for a sampler of networks of another kind,
  // and as the constructor does where a stated field is none of its class's.
  SchedulerConfig with_sampler(const std::string& name) const;

  struct State;
  const State& state() const { return *state_; }

 private:
  std::shared_ptr<const State> state_;
};

// The short names of all samplers and what each is, in the order of docs/samplers.md.
EDDY_API std::vector<std::pair<std::string, std::string>> sampler_names();

// Lists of sigmas by name: karras, exponential, polyexponential, beta, lu, simple, sgm_uniform, ays, ays_sdxl, ays_svd.
EDDY_API std::vector<std::string> sigma_names();

// Any sampler: its own options are bound, those given at the call are on_step and cancel.
using Sampler =
    std::function<Tensor(const Denoiser&, Tensor x, std::span<const Step>, const NoiseSource&, const SamplerOptions&)>;

struct SamplingOptions {
  int steps = 0;                // to 1,000,000; 0: as many as the pipeline of diffusers takes
  std::optional<double> eta{};  // none: the scheduler's default. Throws Error where the sampler has no eta
  bool batch_coupled = false;   // methods that look at the whole batch at once do so, as in diffusers
  // Where the sigmas are, one of sigma_names(); empty: as the configuration has it. Throws Error where the sampler has none
  std::string sigmas{};
  Churn churn{};                    // throws Error where the sampler has none
  // For flows with use_dynamic_shifting, elsewhere an Error: mu itself, or else from this many tokens of the picture, as Flux
  // has it. Without either DPM-Solver and DEIS take flow_shift, as in diffusers; the others throw Error.
  std::optional<double> mu{};
  std::int64_t image_tokens = 0;
  // What only some samplers take; others throw Error.
  std::vector<double> timesteps{};                  // in place of `steps`: LCM, TCD, consistency, SCM (angles, the last too)
  std::optional<bool> use_clipped_model_output{};   // DDIM
  // RePaint needs both (see RepaintOptions). An inversion begins with the picture, (N or 1, ...) of x's shape otherwise, in place
  // of x where it is given.
  Tensor picture{}, mask{};
  std::optional<int> jump_length{}, jump_n_sample{};  // RePaint: 10 and 10; both from 1
};

// A scheduler ready for so many steps: sampler(denoiser(network, condition), initial_scale * z, steps, noise, {}).
struct Sampling {
  std::vector<Step> steps;
  Sampler sampler;
  double initial_scale = 1;  // diffusers' init_noise_sigma
  std::function<Denoiser(Network, Condition)> denoiser;
  bool whole_batch = false;  // coupled: samples in another batch are others
};

// Throws Error for options that the class has not, for numbers of steps, timesteps, sigmas and jumps that it cannot take, and
// where the configuration needs an option that is not given.
EDDY_API Sampling sampling_of(const SchedulerConfig& config, const SamplingOptions& options = {});

// The table of training, as diffusers builds it. Throws Error for a scheduler without betas.
EDDY_API Schedule schedule_of(const SchedulerConfig& config);

}  // namespace eddy::inline v0_1
