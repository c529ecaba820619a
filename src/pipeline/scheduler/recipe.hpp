// How a scheduler's fields become a way of sampling: one recipe a class, read from its fields, each field with its default in
// one place. A recipe is made once from a configuration, and asked for any number of steps.
#pragma once

#include <string>

#include "eddy/scheduler.hpp"
#include "io/json.hpp"
#include "pipeline/names.hpp"

namespace eddy::inline v0_1 {

using Recipe = std::function<Sampling(const SamplingOptions&)>;

// Reads every field of its class: what it does not read counts as unknown.
using ReadRecipe = Recipe (*)(JsonFields& fields);

// What of SamplingOptions counts, beside batch_coupled.
struct Takes {
  bool steps = true;  // else the sampler chooses its own
  bool eta = false;
  bool sigmas = false;  // the recipe asks chosen_sigmas()
  bool churn = false, timesteps = false, clipped_output = false;
  bool mu = false;       // image_tokens too
  bool needs_mu = false;  // where a flow is shifted dynamically; others have flow_shift without it
  bool picture = false;  // needed: what RePaint keeps, or what an inversion begins with
  bool mask = false;     // jumps too
};

struct SchedulerClass {
  const char* name;        // short, for people
  const char* class_name;  // of diffusers; k-diffusion's have the short name here too
  const char* about;       // a few words
  ReadRecipe read;
  Takes takes{};
  // What its networks are, where they are not trained on noise, samples or velocities at alpha^2 + sigma^2 = 1: other schedulers'
  // models are none.
  const char* network = "";
};

// Every scheduler, in the order of docs/samplers.md.
std::span<const SchedulerClass> scheduler_classes();

// ---- fields that many classes have -------------------------------------------------------------------------------

struct BetaDefaults {
  double start = 1e-4, end = 0.02;
  const char* schedule = "linear";
  int num_train_timesteps = 1000;
};

// A number above 0 whose square float32 holds, as it holds that of its inverse: from 1e-18 to 1e18.
double read_positive(JsonFields& fields, const char* key, double otherwise);
std::optional<double> read_positive(JsonFields& fields, const char* key);  // none where it is absent or null
// Refuses the sigma_min or sigma_max that is stated where low, what counts as sigma_min, is not below high.
void check_sigma_ends(const JsonFields& fields, double low, double high);

// num_train_timesteps, beta_start, beta_end, beta_schedule, trained_betas; with `rescale` rescale_betas_zero_snr too.
Schedule read_schedule(JsonFields& fields, const BetaDefaults& defaults = {}, bool rescale = true);

struct SpacingFields {
  Spacing spacing;
  int offset;
};
SpacingFields read_spacing(JsonFields& fields, Spacing otherwise);  // timestep_spacing, steps_offset

// thresholding, dynamic_thresholding_ratio, sample_max_value.
Clip read_thresholding(JsonFields& fields);
// clip_sample and clip_sample_range.
Clip read_clip_sample(JsonFields& fields, bool clip_sample);
// Both; thresholding counts before clipping.
Clip read_clip(JsonFields& fields, bool clip_sample);

// prediction_type: the adapter of the network.
using Adapter = std::function<Denoiser(Network, Condition)>;
extern const Name<Denoiser (*)(Network, Condition)> kAdapters[4];  // epsilon, sample, v_prediction, flow_prediction
Adapter read_adapter(JsonFields& fields, const std::string& otherwise = "epsilon");

// ---- binding -----------------------------------------------------------------------------------------------------

inline int steps_or(const SamplingOptions& options, int otherwise) { return options.steps > 0 ? options.steps : otherwise; }

// A sampler's own options, the clip among them, with what each call brings.
template <class Options>
Options called(Options own, const SamplerOptions& call) {
  own.on_step = call.on_step;
  own.cancel = call.cancel;
  own.steps_before = call.steps_before;
  return own;
}

template <class Options>
Sampler bound(Tensor (*sampler)(const Denoiser&, Tensor, std::span<const Step>, const NoiseSource&, const Options&), Options own) {
  return [=](const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise, const SamplerOptions& call) {
    return sampler(denoise, std::move(x), steps, noise, called(own, call));
  };
}

// The same for one that draws no noise.
template <class Options>
Sampler bound(Tensor (*sampler)(const Denoiser&, Tensor, std::span<const Step>, const Options&), Options own) {
  return [=](const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource&, const SamplerOptions& call) {
    return sampler(denoise, std::move(x), steps, called(own, call));
  };
}

// The sampler begun with the picture, where there is one, whatever x is.
Sampler begun_with(const Tensor& picture, Sampler sampler);

// The source with these keys drawn in this order, whichever are asked for: diffusers' stream draws some that it does not use.
NoiseSource drawn_in_order(const NoiseSource& source, std::vector<NoiseKey> keys);

// ---- the recipes -------------------------------------------------------------------------------------------------

Recipe read_ddpm(JsonFields& fields);
Recipe read_ddim(JsonFields& fields);

// In sigma space.
Recipe read_euler(JsonFields& fields);
Recipe read_euler_ancestral(JsonFields& fields);
Recipe read_heun(JsonFields& fields);
Recipe read_dpm_2(JsonFields& fields);
Recipe read_dpm_2_ancestral(JsonFields& fields);
Recipe read_lms(JsonFields& fields);
Recipe read_edm_euler(JsonFields& fields);
Recipe read_flow_euler(JsonFields& fields);
Recipe read_flow_heun(JsonFields& fields);

// Exponential integrators.
Recipe read_dpm_multistep(JsonFields& fields);
Recipe read_dpm_multistep_inverse(JsonFields& fields);
Recipe read_dpm_singlestep(JsonFields& fields);
Recipe read_deis(JsonFields& fields);
Recipe read_unipc(JsonFields& fields);
Recipe read_edm_dpm_multistep(JsonFields& fields);

// With Brownian noise, and with steps of their own choice.
Recipe read_dpm_solver_sde(JsonFields& fields);
Recipe read_dpmpp_sde(JsonFields& fields);
Recipe read_dpmpp_2m_sde(JsonFields& fields);
Recipe read_dpmpp_3m_sde(JsonFields& fields);
Recipe read_dpmpp_2s_ancestral(JsonFields& fields);
Recipe read_dpm_fast(JsonFields& fields);
Recipe read_dpm_adaptive(JsonFields& fields);

// Multistep, few-step and score-based.
Recipe read_ddim_inverse(JsonFields& fields);
Recipe read_pndm(JsonFields& fields);
Recipe read_ipndm(JsonFields& fields);
Recipe read_lcm(JsonFields& fields);
Recipe read_tcd(JsonFields& fields);
Recipe read_consistency(JsonFields& fields);
Recipe read_scm(JsonFields& fields);
Recipe read_repaint(JsonFields& fields);
Recipe read_score_ve(JsonFields& fields);
Recipe read_score_vp(JsonFields& fields);
Recipe read_karras_ve(JsonFields& fields);
Recipe read_unclip(JsonFields& fields);

}  // namespace eddy::inline v0_1
