// The stochastic DPM-Solver++ samplers of k-diffusion.
#include "pipeline/scheduler/k_diffusion.hpp"

namespace eddy::inline v0_1 {

namespace {

template <class Options>
Recipe listed(const SigmaList& list, Tensor (*sampler)(const Denoiser&, Tensor, std::span<const Step>, const NoiseSource&,
                                                       const Options&),
              const Options& own) {
  return [=](const SamplingOptions& o) {
    Options options = own;
    options.eta = o.eta.value_or(own.eta);
    return at_alpha_one(list.space.steps(o), bound(sampler, options), list.adapter);
  };
}

void read_brownian(JsonFields& f, BrownianOptions& options) {
  read_stochastic(f, options, 1);
  options.noise_seed = read_noise_seed(f);
}

}  // namespace

Recipe read_dpmpp_2s_ancestral(JsonFields& f) {
  const SigmaList list = read_sigma_list(f);
  Dpmpp2sOptions options;
  read_stochastic(f, options, 1);
  options.level_at = list.space.level_at();
  return listed(list, sample_dpmpp_2s_ancestral, options);
}

Recipe read_dpmpp_sde(JsonFields& f) {
  const SigmaList list = read_sigma_list(f);
  DpmppSdeOptions own;
  read_brownian(f, own);
  own.r = f.number("r", 0.5);
  if (!(own.r > 0 && own.r <= 1)) f.refuse("r", "in (0, 1]");
  own.level_at = list.space.level_at();
  return [=](const SamplingOptions& o) {
    DpmppSdeOptions options = own;
    options.eta = o.eta.value_or(own.eta);
    const Sampler sampler = bound(sample_dpmpp_sde, options);
    return at_alpha_one(list.space.steps(o), o.batch_coupled ? with_float_levels(sampler, own.r) : sampler, list.adapter);
  };
}

Recipe read_dpmpp_2m_sde(JsonFields& f) {
  using Correction = Dpmpp2mSdeOptions::Correction;
  constexpr Name<Correction> corrections[]{{"midpoint", Correction::midpoint}, {"heun", Correction::heun}};
  const SigmaList list = read_sigma_list(f);
  Dpmpp2mSdeOptions options;
  read_brownian(f, options);
  options.correction = named(f, "solver_type", f.text("solver_type", "midpoint"), corrections);
  return listed(list, sample_dpmpp_2m_sde, options);
}

Recipe read_dpmpp_3m_sde(JsonFields& f) {
  const SigmaList list = read_sigma_list(f);
  Dpmpp3mSdeOptions options;
  read_brownian(f, options);
  options.half_curvature = true;
  return listed(list, sample_dpmpp_3m_sde, options);
}

}  // namespace eddy::inline v0_1
