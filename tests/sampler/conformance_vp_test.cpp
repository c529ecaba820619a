// The numbers that diffusers' own tests hold of its multistep and few-step schedulers.
#include "support/counted.hpp"

using namespace eddy;
using namespace eddy::test;

namespace {

Tensor run(const std::string& config, const SamplingOptions& options = {.steps = 10}) {
  const Sampling s = sampling_of(SchedulerConfig(config, "test"), options);
  return s.sampler(s.denoiser(counted_model, {}), affine(counted(), s.initial_scale), s.steps, torch_cpu_noise(0, 4), {});
}

}  // namespace

TEST_CASE("pndm: the numbers of diffusers' tests") {
  check_counted(run(R"({"_class_name":"PNDMScheduler"})"), 198.1318, 0.2580);
  check_counted(run(R"({"_class_name":"PNDMScheduler","prediction_type":"v_prediction"})"), 67.3986, 0.0878);
  check_counted(run(R"({"_class_name":"PNDMScheduler","set_alpha_to_one":true,"beta_start":0.01})"), 230.0399, 0.2995);
  check_counted(run(R"({"_class_name":"PNDMScheduler","set_alpha_to_one":false,"beta_start":0.01})"), 186.9482, 0.2434);
}

TEST_CASE("ipndm: the number of diffusers' test, which walks the list twice and keeps what it has seen") {
  const Sampling s = sampling_of(SchedulerConfig(R"({"_class_name":"IPNDMScheduler"})", "test"), {.steps = 10});
  std::vector<Step> twice = s.steps;
  twice.insert(twice.end(), s.steps.begin(), s.steps.end());
  const Tensor x = s.sampler(s.denoiser(counted_model, {}), counted(), twice, philox_noise(0), {});
  double sum = 0;
  for (const float v : x.values()) sum += std::abs(static_cast<double>(v));
  CHECK(sum / 768 == Approx(2540529).epsilon(0).margin(10));
}

TEST_CASE("consistency: the numbers of diffusers' tests, one step and two with torch's noise") {
  const std::string config = R"({"_class_name":"CMStochasticIterativeScheduler","num_train_timesteps":201})";
  check_counted(run(config, {.steps = 1}), 192.7614, 0.2510);
  check_counted(run(config, {.timesteps = {106, 0}}), 347.6357, 0.4527);
}

TEST_CASE("lcm: the numbers of diffusers' tests, with torch's noise") {
  check_counted(run(R"({"_class_name":"LCMScheduler"})", {.steps = 1}), 18.7097, 0.0244);
  check_counted(run(R"({"_class_name":"LCMScheduler"})"), 197.7616, 0.2575);
}

TEST_CASE("tcd: the numbers of diffusers' tests") {
  check_counted(run(R"({"_class_name":"TCDScheduler"})", {.steps = 1, .eta = 0.0}), 29.8715, 0.0389);
  check_counted(run(R"({"_class_name":"TCDScheduler"})", {.steps = 10, .eta = 0.0}), 181.2040, 0.2359);
}

TEST_CASE("ddim inverse: by its configuration the numbers of diffusers' tests") {
  check_counted(run(R"({"_class_name":"DDIMInverseScheduler"})"), 671.6816, 0.8746);
  check_counted(run(R"({"_class_name":"DDIMInverseScheduler","prediction_type":"v_prediction"})"), 1394.2185, 1.8154);
}
