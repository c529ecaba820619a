// Configurations of schedulers in sigma space: their levels, and what is refused.
#include <array>
#include <cmath>

#include "eddy/eddy.hpp"
#include "io/json.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

SchedulerConfig read(const std::string& class_name, const std::string& fields = "{}") {
  return SchedulerConfig(R"({"_class_name":")" + class_name + R"("})", "s.json").with(fields);
}

std::vector<double> sigmas(const SchedulerConfig& config, const SamplingOptions& options) {
  std::vector<double> result;
  for (const Step& step : sampling_of(config, options).steps) result.push_back(step.from.sigma);
  return result;
}

}  // namespace

TEST_CASE("sigma schedulers: the shift of a flow counts twice, as in diffusers") {
  const auto s = sigmas(read("FlowMatchEulerDiscreteScheduler", R"({"shift":3.0})"), {.steps = 28});
  CHECK(s[0] == 1);
  CHECK(s[1] == Approx(0.987381).epsilon(1e-6));
  CHECK(s[3] == Approx(0.960129).epsilon(1e-6));
  CHECK(s[27] == Approx(0.008929).epsilon(1e-4));
  const Sampling inverted = sampling_of(read("FlowMatchEulerDiscreteScheduler", R"({"invert_sigmas":true})"), {.steps = 4});
  CHECK(inverted.steps[0].from == NoiseLevel{0, 0, 1});
  CHECK(inverted.steps.back().to == NoiseLevel{1000, 1, 0});
}

TEST_CASE("sigma schedulers: mu comes from the tokens of the picture") {
  const SchedulerConfig config = read("FlowMatchEulerDiscreteScheduler", R"({"use_dynamic_shifting":true})");
  CHECK(sigmas(config, {.steps = 5, .image_tokens = 256}) == sigmas(config, {.steps = 5, .mu = 0.5}));
  const double by_mu = sigmas(config, {.steps = 5, .mu = 1.15})[2];
  CHECK(sigmas(config, {.steps = 5, .image_tokens = 4096})[2] == Approx(by_mu).epsilon(1e-6));
  CHECK_THROWS_WITH(sampling_of(config), Catch::Contains("needs mu, or image_tokens"));
  CHECK_THROWS_WITH(sampling_of(config, {.mu = 1000.0}), Catch::Contains("mu must be from -700 to 700, got 1000"));
}

TEST_CASE("sigma schedulers: mu and tokens are refused where nothing hangs on them") {
  const SamplingOptions mu{.steps = 5, .mu = 0.8}, tokens{.steps = 5, .image_tokens = 1024};
  for (const char* name : {"DDIMScheduler", "EulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler", "EDMEulerScheduler",
                           "DPMSolverMultistepInverseScheduler"}) {
    INFO(name);
    CHECK_THROWS_WITH(sampling_of(read(name), mu), Catch::Contains("has no mu") && Catch::Contains("flow_euler"));
    CHECK_THROWS_WITH(sampling_of(read(name), tokens), Catch::Contains("has no image_tokens") && Catch::Contains("uni_pc"));
  }
  const SchedulerConfig unshifted = read("FlowMatchEulerDiscreteScheduler");
  CHECK_THROWS_WITH(sampling_of(unshifted, mu), Catch::Contains("mu needs a scheduler with use_dynamic_shifting"));
  CHECK_THROWS_WITH(sampling_of(unshifted, tokens), Catch::Contains("image_tokens needs a scheduler with use_dynamic_shifting"));
}

TEST_CASE("sigma schedulers: every list by name has as many steps as asked for, from noisy to clean") {
  for (const char* name :
       {"EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler", "KDPM2DiscreteScheduler",
        "KDPM2AncestralDiscreteScheduler", "LMSDiscreteScheduler", "EDMEulerScheduler"}) {
    for (const std::string& list : sigma_names()) {
      INFO(name << ", " << list);
      const auto s = sigmas(read(name), {.steps = 12, .sigmas = list});
      CHECK(s.size() == 12);
      CHECK(std::ranges::is_sorted(s, std::greater<>()));
      CHECK(std::ranges::adjacent_find(s) == s.end());
      if (name != std::string("EDMEulerScheduler") || list != "karras") CHECK(s != sigmas(read(name), {.steps = 12}));
    }
  }
}

TEST_CASE("sigma schedulers: a list by name is that of the configuration, and goes before it") {
  const SchedulerConfig plain = read("EulerDiscreteScheduler");
  const SchedulerConfig karras = read("EulerDiscreteScheduler", R"({"use_karras_sigmas":true})");
  CHECK(sigmas(plain, {.steps = 9, .sigmas = "karras"}) == sigmas(karras, {.steps = 9}));
  CHECK(sigmas(karras, {.steps = 9, .sigmas = "beta"}) == sigmas(plain, {.steps = 9, .sigmas = "beta"}));
  CHECK(sigmas(plain, {.steps = 10, .sigmas = "ays"})[3] == Approx(2.6946151520).epsilon(1e-7));
}

TEST_CASE("sigma schedulers: the initial scale is the largest sigma, and for leading spacing of x as well") {
  const auto scale = [](const std::string& spacing) {
    const Sampling s = sampling_of(read("HeunDiscreteScheduler", R"({"timestep_spacing":")" + spacing + R"("})"), {.steps = 10});
    return std::pair{s.initial_scale, s.steps[0].from.sigma};
  };
  CHECK(scale("trailing").first == scale("trailing").second);
  CHECK(scale("leading").first == Approx(std::hypot(scale("leading").second, 1)).epsilon(1e-7));
}

TEST_CASE("sigma schedulers: at a terminal SNR of 0 alpha_bar is 2^-24 at the first level, as in diffusers") {
  for (const char* name : {"EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler"}) {
    const auto s = sigmas(read(name, R"({"rescale_betas_zero_snr":true,"timestep_spacing":"trailing"})"), {.steps = 6});
    CHECK(s[0] == 4096 - 0x1p-12);  // sqrt(2^24 - 1) in float32
    CHECK(s[1] < 100);
  }
}

TEST_CASE("sigma schedulers: impossible numbers are refused when they are read, by file, key and value") {
  const std::vector<std::array<const char*, 3>> wrong{
      {"EulerDiscrete", R"({"sigma_min":-1})", "sigma_min: must be a number above 0, got -1"},
      {"EulerDiscrete", R"({"sigma_min":3,"sigma_max":2})", "sigma_max: must be above sigma_min, 3.0, got 2"},
      {"EulerDiscrete", R"({"sigma_min":200})", "sigma_min: must be below sigma_max, "},
      {"EulerDiscrete", R"({"sigma_max":0.001})", "sigma_max: must be above sigma_min, "},
      {"EulerDiscrete", R"({"beta_start":-1})", "beta_start: must be in (0, 1), as float32 too, got -1"},
      {"EulerAncestralDiscrete", R"({"beta_end":5})", "beta_end: must be in (0, 1], as float32 too, got 5"},
      {"KDPM2Discrete", R"({"beta_end":0})", "beta_end"},
      {"LMSDiscrete", R"({"beta_start":1})", "beta_start"},
      {"HeunDiscrete", R"({"clip_sample":true,"clip_sample_range":-1})", "clip_sample_range: must be a number above 0, got -1"},
      {"EDMEuler", R"({"sigma_max":1e60})", "sigma_max: must be a number from 1e-18 to 1e18, got 1e+60"},
      {"EDMEuler", R"({"sigma_min":-1})", "sigma_min: must be a number above 0, got -1"},
      {"EDMEuler", R"({"sigma_min":80})", "sigma_min: must be below sigma_max, 80.0, got 80"},
      {"EDMEuler", R"({"rho":0})", "rho"},
      {"EDMEuler", R"({"sigma_data":1e-30})", "sigma_data"},
      {"FlowMatchEulerDiscrete", R"({"shift":-1})", "shift: must be a number above 0, got -1"}};
  for (const auto& [name, fields, message] : wrong) {
    INFO(name << fields);
    CHECK_THROWS_WITH(read(std::string(name) + "Scheduler", fields), Catch::Contains(std::string("s.json: ") + message));
  }
}

TEST_CASE("sigma schedulers: what cannot be is refused with what must hold") {
  CHECK_THROWS_WITH(read("LMSDiscreteScheduler", R"({"use_karras_sigmas":true,"use_beta_sigmas":true})"),
                    Catch::Contains("use_beta_sigmas") && Catch::Contains("use_karras_sigmas is true"));
  CHECK_THROWS_WITH(read("EulerDiscreteScheduler", R"({"interpolation_type":"cubic"})"), Catch::Contains("linear, log_linear"));
  CHECK_THROWS_WITH(read("EulerDiscreteScheduler", R"({"final_sigmas_type":"one"})"), Catch::Contains("zero, sigma_min"));
  CHECK_THROWS_WITH(read("EulerDiscreteScheduler", R"({"timestep_type":"whole"})"), Catch::Contains("discrete, continuous"));
  CHECK_THROWS_WITH(read("EDMEulerScheduler", R"({"prediction_type":"sample"})"), Catch::Contains("prediction_type"));
  CHECK_THROWS_WITH(read("EDMEulerScheduler", R"({"sigma_min":90})"), Catch::Contains("sigma_max"));
  CHECK_THROWS_WITH(read("FlowMatchHeunDiscreteScheduler", R"({"shift":0})"), Catch::Contains("shift"));
  CHECK_THROWS_WITH(read("FlowMatchEulerDiscreteScheduler", R"({"shift_terminal":1})"), Catch::Contains("shift_terminal"));
  CHECK_THROWS_WITH(sampling_of({}, {.sigmas = "karras"}),
                    Catch::Contains("ddim has no list of sigmas") && Catch::Contains("euler"));
  CHECK_THROWS_WITH(sampling_of(read("EulerDiscreteScheduler"), {.sigmas = "round"}), Catch::Contains("one of karras"));
  CHECK_THROWS_WITH(sampling_of(read("FlowMatchEulerDiscreteScheduler"), {.sigmas = "ays"}),
                    Catch::Contains("not those of a flow"));
  CHECK_THROWS_WITH(sampling_of(read("LMSDiscreteScheduler"), {.churn = {.s_churn = 1}}), Catch::Contains("lms has no churn"));
  CHECK_THROWS_WITH(sampling_of(read("HeunDiscreteScheduler"), {.eta = 0.5}), Catch::Contains("heun has no eta"));
}
