// What configurations of the multistep, few-step and score-based schedulers refuse, and what they decide.
#include <array>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

SchedulerConfig read(const std::string& name, const std::string& fields = "") {
  return SchedulerConfig(R"({"_class_name":")" + name + "Scheduler\"" + (fields.empty() ? "" : ",") + fields + "}", "s.json");
}

}  // namespace

TEST_CASE("schedulers: fields out of range are refused by name") {
  const std::vector<std::array<std::string, 3>> wrong{
      {"PNDM", R"("prediction_type":"sample")", "prediction_type"},
      {"DDPM", R"("beta_start":-1)", "beta_start: must be in (0, 1), as float32 too, got -1"},
      {"DDIM", R"("beta_end":5)", "beta_end: must be in (0, 1], as float32 too, got 5"},
      {"DDIM", R"("beta_start":1e-60,"beta_schedule":"sigmoid")", "beta_start"},
      {"PNDM", R"("beta_end":0,"beta_schedule":"scaled_linear")", "beta_end"},
      {"RePaint", R"("trained_betas":[0.1,1,0.1],"num_train_timesteps":3)", "trained_betas"},
      {"DDIM", R"("clip_sample_range":-1)", "clip_sample_range: must be a number above 0, got -1"},
      {"DDPM", R"("clip_sample_range":0)", "clip_sample_range"},
      {"DDIMInverse", R"("clip_sample_range":-1)", "clip_sample_range"},
      {"UnCLIP", R"("clip_sample_range":-1)", "clip_sample_range"},
      {"LCM", R"("clip_sample":true,"clip_sample_range":-1)", "clip_sample_range"},
      {"DDIM", R"("thresholding":true,"dynamic_thresholding_ratio":7)", "dynamic_thresholding_ratio: must be in (0, 1], got 7"},
      {"DDPM", R"("thresholding":true,"sample_max_value":0)", "sample_max_value"},
      {"DDIMInverse", R"("timestep_spacing":"linspace")", "timestep_spacing"},
      {"IPNDM", R"("trained_betas":[0.5])", "trained_betas"},
      {"IPNDM", R"("trained_betas":[0.5,0.7])", "trained_betas"},
      {"LCM", R"("original_inference_steps":0)", "original_inference_steps"},
      {"LCM", R"("timestep_scaling":0)", "timestep_scaling"},
      {"TCD", R"("original_inference_steps":2000)", "original_inference_steps"},
      {"CMStochasticIterative", R"("sigma_min":0)", "sigma_min"},
      {"CMStochasticIterative", R"("sigma_max":0.001)", "sigma_max"},
      {"CMStochasticIterative", R"("sigma_data":0)", "sigma_data"},
      {"CMStochasticIterative", R"("s_noise":-1)", "s_noise"},
      {"CMStochasticIterative", R"("rho":0)", "rho"},
      {"SCM", R"("prediction_type":"epsilon")", "prediction_type"},
      {"CMStochasticIterative", R"("sigma_max":1e60)", "sigma_max: must be a number from 1e-18 to 1e18, got 1e+60"},
      {"SCM", R"("sigma_data":0)", "sigma_data"},
      {"KarrasVe", R"("sigma_min":101)", "sigma_min: must be below sigma_max, 100.0, got 101"},
      {"RePaint", R"("eta":2)", "eta"},
      {"ScoreSdeVe", R"("snr":0)", "snr"},
      {"ScoreSdeVe", R"("sigma_min":0)", "sigma_min"},
      {"ScoreSdeVe", R"("sigma_max":0.001)", "sigma_max"},
      {"ScoreSdeVe", R"("sampling_eps":1)", "sampling_eps"},
      {"ScoreSdeVe", R"("correct_steps":-1)", "correct_steps"},
      {"ScoreSdeVp", R"("beta_min":0)", "beta_min"},
      {"ScoreSdeVp", R"("beta_max":0.01)", "beta_max"},
      {"ScoreSdeVp", R"("sampling_eps":0)", "sampling_eps"},
      {"UnCLIP", R"("beta_schedule":"linear")", "beta_schedule"},
      {"UnCLIP", R"("variance_type":"fixed_large")", "variance_type"},
      {"UnCLIP", R"("prediction_type":"v_prediction")", "prediction_type"}};
  for (const auto& [name, field, key] : wrong) {
    INFO(name << " " << field);
    CHECK_THROWS_WITH(read(name, field), Catch::Contains("s.json: " + key));
  }
}

TEST_CASE("schedulers: numbers that count for nothing are kept, whatever they are") {
  for (const char* fields :
       {R"("beta_start":-1,"beta_schedule":"squaredcos_cap_v2")", R"("clip_sample":false,"clip_sample_range":-1)",
        R"("thresholding":false,"dynamic_thresholding_ratio":7)"}) {
    INFO(fields);
    CHECK(sampling_of(read("DDIM", fields), {.steps = 3}).steps.size() == 3);
  }
}

TEST_CASE("schedulers: numbers of steps and timesteps that cannot be are refused") {
  const auto message = [](const std::string& text) { return Catch::Contains(text); };
  CHECK_THROWS_WITH(sampling_of(read("LCM"), {.steps = 51}), message("original_inference_steps, 50"));
  CHECK_THROWS_WITH(sampling_of(read("LCM"), {.timesteps = {10, 20}}), message("whole numbers that fall"));
  CHECK_THROWS_WITH(sampling_of(read("LCM"), {.timesteps = {1000}}), message("[0, 1000)"));
  CHECK_THROWS_WITH(sampling_of(read("LCM"), {.steps = 2, .timesteps = {20, 10}}), message("not both"));
  CHECK_THROWS_WITH(sampling_of(read("DDIM"), {.timesteps = {20, 10}}), message("ddim has no timesteps") && message("lcm"));
  CHECK_THROWS_WITH(sampling_of(read("DDPM"), {.use_clipped_model_output = true}), message("use_clipped_model_output"));
  CHECK_THROWS_WITH(sampling_of(read("LCM"), {.jump_length = 3}), message("jumps"));
  CHECK_THROWS_WITH(sampling_of(read("CMStochasticIterative"), {.steps = 41}), message("at most 40"));
  CHECK_THROWS_WITH(sampling_of(read("CMStochasticIterative"), {.timesteps = {39.5}}), message("whole numbers"));
  CHECK_THROWS_WITH(sampling_of(read("SCM"), {.timesteps = {1.2, 1.3}}), message("angles that fall"));
  CHECK_THROWS_WITH(sampling_of(read("SCM"), {.timesteps = {1.2}}), message("at least two"));
  CHECK_THROWS_WITH(sampling_of(read("SCM"), {.steps = 1001}), message("at most 1000"));
  CHECK_THROWS_WITH(sampling_of(read("ScoreSdeVe"), {.steps = 1}), message("at least 2"));
  CHECK_THROWS_WITH(sampling_of(read("UnCLIP"), {.steps = 1}), message("at least 2"));
  CHECK_THROWS_WITH(sampling_of(read("IPNDM", R"("trained_betas":[1,0.5,0])"), {.steps = 3}), message("at 2, got 3"));
}

TEST_CASE("schedulers: as many steps as their pipelines take, where none are asked for") {
  const std::vector<std::pair<std::string, std::size_t>> defaults{
      {"PNDM", 50}, {"DDIMInverse", 50}, {"IPNDM", 100}, {"LCM", 4},   {"TCD", 4},        {"CMStochasticIterative", 1},
      {"SCM", 2},   {"ScoreSdeVe", 2000}, {"ScoreSdeVp", 1000}, {"UnCLIP", 25}, {"DDPMParallel", 1000}, {"DDIMParallel", 50}};
  for (const auto& [name, steps] : defaults) {
    INFO(name);
    CHECK(sampling_of(read(name)).steps.size() == steps);
  }
}

TEST_CASE("schedulers: a sample among others at levels of their own is predicted as alone") {
  const Network network = [](const Tensor& x, const Tensor& t, const Condition&) {
    return affine(x, 0.5, 0.01 * static_cast<double>(t.values()[0]));
  };
  const Network by_sample = [](const Tensor& x, const Tensor& t, const Condition&) {
    Tensor y = affine(x, 0.5);
    const auto row = static_cast<std::size_t>(x.elements() / x.extent(0));
    for (std::size_t i = 0; i < y.values().size(); ++i) y.mutable_values()[i] += 0.01f * t.values()[i / row];
    return y;
  };
  for (const char* name : {"UnCLIPScheduler", "SCMScheduler"}) {
    INFO(name);
    const Sampling sampling = sampling_of(SchedulerConfig(R"({"_class_name":")" + std::string(name) + "\"}"), {.steps = 2});
    const std::vector<NoiseLevel> levels{sampling.steps[0].from, sampling.steps[1].from};
    const Tensor x = philox_noise(3).normal({2, 4, 4, 2}, kInitialNoise);
    const Prediction together = sampling.denoiser(by_sample, {})(x, levels);
    for (std::int64_t i = 0; i < 2; ++i) {
      const Prediction alone = sampling.denoiser(network, {})(x.rows(i, 1).clone(), {&levels[static_cast<std::size_t>(i)], 1});
      for (std::size_t k = 0; k < 32; ++k) {
        const std::size_t at = static_cast<std::size_t>(i) * 32 + k;
        REQUIRE(together.x0.values()[at] == Approx(alone.x0.values()[k]).epsilon(1e-5).margin(1e-5));
      }
    }
  }
}
