// The numbers that diffusers' own tests of DPMSolverSDEScheduler hold on the CPU: ten steps, a Brownian tree with entropy 0.
#include <set>

#include "support/counted.hpp"

using namespace eddy;
using namespace eddy::test;

namespace {

// Those tests put the scaled x (x / sqrt(sigma^2 + 1)) in place of x itself before each step.
Tensor scaled(const Tensor& x, double sigma) { return affine(x, 1 / std::sqrt(sigma * sigma + 1)); }

Tensor run(const std::string& fields) {
  const SchedulerConfig config(R"({"_class_name": "DPMSolverSDEScheduler", "num_train_timesteps": 1100, "beta_start": 0.0001,
                                   "beta_end": 0.02, "noise_sampler_seed": 0})");
  const bool velocity = fields.find("v_prediction") != std::string::npos;
  const Sampling s = sampling_of(config.with(fields), {.steps = 10, .batch_coupled = true});
  std::set<double> listed;
  for (const Step& step : s.steps) listed.insert(step.from.sigma);
  const Denoiser denoise = [&](const Tensor& x, std::span<const NoiseLevel> levels) -> Prediction {
    const auto& [t, alpha, sigma] = levels[0];
    const Tensor u = listed.contains(sigma) ? x : scaled(x, sigma);
    const double y = t / (t + 1), norm = sigma * sigma + 1;
    return {affine(u, velocity ? 1 / norm - y * sigma / std::sqrt(norm) : 1 - sigma * y), affine(u, y), {}};
  };
  SamplerOptions options;
  options.on_step = [](const StepReport& r) { r.x = scaled(r.x, r.level.sigma); };
  const double first = s.steps.front().from.sigma;
  const Tensor x = scaled(affine(counted(), s.initial_scale), first);
  return s.sampler(denoise, x, s.steps, torch_cpu_noise(0, 4), options);
}

}  // namespace

TEST_CASE("dpm_solver_sde: the numbers of diffusers' tests, with torchsde's tree") {
  check_counted(run("{}"), 162.52383, 0.21162);
  check_counted(run(R"({"prediction_type": "v_prediction"})"), 119.84875, 0.15605);
  check_counted(run(R"({"use_karras_sigmas": true})"), 170.31352, 0.22176);
}
