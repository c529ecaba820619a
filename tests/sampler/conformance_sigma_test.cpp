// The numbers that diffusers' own tests hold of schedulers in sigma space, ten steps. Those tests feed the scaled x into each
// step, x / sqrt(sigma^2 + 1), so the samplers here meet a denoiser that scales, and an x that is scaled after each step.
#include <cmath>
#include <string>

#include "io/json.hpp"
#include "support/counted.hpp"
#include "support/golden.hpp"

using namespace eddy;
using namespace eddy::test;

namespace {

Tensor scaled(const Tensor& x, double sigma) { return affine(x, 1 / std::hypot(sigma, 1.0)); }

// x0 and eps of the scaled x, as the steps of diffusers have them.
Prediction read(const Tensor& x, const Tensor& out, double sigma, bool velocity) {
  if (!velocity) return {combine(1, x, -sigma, out), out, {}};
  const Tensor x0 = combine(1 / (sigma * sigma + 1), x, -sigma / std::hypot(sigma, 1.0), out);
  return {x0, combine(1 / sigma, x, -1 / sigma, x0), {}};
}

Tensor run(Json fields, const char* class_name) {
  fields["_class_name"] = class_name;
  const Sampling sampling = sampling_of(SchedulerConfig(fields.dump()), {.steps = 10});
  const bool velocity = fields.value("prediction_type", "") == "v_prediction";
  bool first = true;  // of the evaluations of a step: its x is scaled already
  const Denoiser denoise = [&](const Tensor& given, std::span<const NoiseLevel> levels) -> Prediction {
    const NoiseLevel& level = levels[0];
    const Tensor x = first ? given : scaled(given, level.sigma);
    first = false;
    const Tensor out = counted_model(x, Tensor::full({1}, static_cast<float>(level.t)), {});
    return read(x, out, level.sigma, velocity);
  };
  SamplerOptions options;
  options.on_step = [&](const StepReport& r) {
    first = true;
    if (r.step + 1 < r.steps) r.x = scaled(r.x, r.level.sigma);
  };
  const Tensor begin = scaled(affine(counted(), sampling.initial_scale), sampling.steps[0].from.sigma);
  return sampling.sampler(denoise, begin, sampling.steps, torch_cpu_noise(0, 4), options);
}

// Those of EDM and of flows keep the x that is not scaled.
Tensor run_unscaled(Json fields, const char* class_name) {
  fields["_class_name"] = class_name;
  const Sampling s = sampling_of(SchedulerConfig(fields.dump()), {.steps = 10});
  return s.sampler(s.denoiser(counted_model, {}), affine(counted(), s.initial_scale), s.steps, philox_noise(0), {});
}

const Json kUsual = Json{{"num_train_timesteps", 1100}, {"beta_start", 0.0001}, {"beta_end", 0.02}, {"beta_schedule", "linear"}};

Json with(Json fields, const char* key, const Json& value = true) {
  fields[key] = value;
  return fields;
}

}  // namespace

TEST_CASE("euler: the numbers of diffusers' tests") {
  check_counted(run(kUsual, "EulerDiscreteScheduler"), 10.0807, 0.0131);
  check_counted(run(with(kUsual, "use_karras_sigmas"), "EulerDiscreteScheduler"), 124.5230, 0.16214);
}

TEST_CASE("euler_ancestral: the numbers of diffusers' tests, with torch's noise") {
  check_counted(run(kUsual, "EulerAncestralDiscreteScheduler"), 152.3192, 0.1983);
}

TEST_CASE("dpm_2: the numbers of diffusers' tests") {
  check_counted(run(kUsual, "KDPM2DiscreteScheduler"), 20.4125, 0.0266);
}

TEST_CASE("lms: the numbers of diffusers' tests") {
  check_counted(run(kUsual, "LMSDiscreteScheduler"), 1006.388, 1.31);
  check_counted(run(with(kUsual, "use_karras_sigmas"), "LMSDiscreteScheduler"), 3812.9927, 4.9648);
}

TEST_CASE("euler, heun and dpm_2: whole runs of diffusers' tests, where the numbers that those hold are too small to tell") {
  const Golden golden("counted_sigma");
  const auto check = [&](const char* name, const Json& fields, const char* class_name) {
    INFO(name);
    CHECK(relative_l2(run(fields, class_name).values(), golden.tensor(name).values()) < 2e-5);
  };
  const Json v = with(kUsual, "prediction_type", "v_prediction");
  check("euler v", v, "EulerDiscreteScheduler");
  check("heun", kUsual, "HeunDiscreteScheduler");
  check("heun v", v, "HeunDiscreteScheduler");
  check("heun karras", with(kUsual, "use_karras_sigmas"), "HeunDiscreteScheduler");
  check("dpm_2 v", v, "KDPM2DiscreteScheduler");
}

TEST_CASE("edm_euler: the numbers of diffusers' tests") {
  const Json fields{{"num_train_timesteps", 256}, {"sigma_min", 0.002}, {"sigma_max", 80}};
  check_counted(run_unscaled(fields, "EDMEulerScheduler"), 34.1855, 0.044);
}

TEST_CASE("flow_euler: the first numbers of a flow, which diffusers' tests have not") {
  check_counted(run_unscaled({{"shift", 1}}, "FlowMatchEulerDiscreteScheduler"), 133.36204, 0.173648);
  check_counted(run_unscaled({{"shift", 3}}, "FlowMatchEulerDiscreteScheduler"), 129.34946, 0.168424);
}
