#include <limits>

#include "eddy/eddy.hpp"
#include "io/json.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

SchedulerConfig read(const std::string& text) { return SchedulerConfig(text, "s.json"); }

}  // namespace

TEST_CASE("scheduler: unknown classes, betas, variances and spacings are refused by name") {
  CHECK_THROWS_WITH(read(R"({"_class_name":"DDXMScheduler"})"), Catch::Contains("s.json") && Catch::Contains("DDXMScheduler") &&
                                                                    Catch::Contains("DDIMScheduler"));
  CHECK_THROWS_WITH(read(R"({"beta_schedule":"tent"})"), Catch::Contains("s.json: beta_schedule"));
  CHECK_THROWS_WITH(read(R"({"_class_name":"DDPMScheduler","variance_type":"learnt"})"), Catch::Contains("variance_type"));
  CHECK_THROWS_WITH(read(R"({"timestep_spacing":"karras"})"), Catch::Contains("timestep_spacing"));
  CHECK_THROWS_WITH(read(R"({"trained_betas":[0.1]})"), Catch::Contains("trained_betas"));
  CHECK(schedule_of(read(R"({"trained_betas":[0.1,0.2],"num_train_timesteps":2})")).alpha_bar(1) == Approx(0.72));
}

TEST_CASE("scheduler: fields that the class does not know are told and kept") {
  const SchedulerConfig config = read(R"({"_class_name":"DDPMScheduler","set_alpha_to_one":false,"_diffusers_version":"0.1"})");
  CHECK(config.unknown_fields() == std::vector<std::string>{"set_alpha_to_one"});
  const Json json = Json::parse(config.json());
  CHECK(json["set_alpha_to_one"] == false);
  CHECK(json["_diffusers_version"] == "0.1");
  CHECK(json["variance_type"] == "fixed_small");
  CHECK(json["num_train_timesteps"] == 1000);
}

TEST_CASE("scheduler: another sampler keeps the stated fields, and takes its own defaults for the rest") {
  const SchedulerConfig ddim = read(R"({"_class_name":"DDPMScheduler","beta_end":0.01,"set_alpha_to_one":false})").with_sampler("ddim");
  CHECK(ddim.class_name() == "DDIMScheduler");
  CHECK(ddim.unknown_fields().empty());
  const Json json = Json::parse(ddim.json());
  CHECK(json["beta_end"] == 0.01);
  CHECK(json["set_alpha_to_one"] == false);
  CHECK_FALSE(json.contains("variance_type"));
  CHECK_THROWS_WITH(ddim.with_sampler("x"), Catch::Contains("no scheduler x") && Catch::Contains("ddpm, ddim"));
}

TEST_CASE("scheduler: eta where there is none, and steps that cannot be, are refused") {
  CHECK_THROWS_WITH(sampling_of(read(R"({"_class_name":"DDPMScheduler"})"), {.eta = 0.5}), Catch::Contains("ddpm has no eta"));
  CHECK_THROWS_WITH(sampling_of({}, {.steps = 1001}), Catch::Contains("1000"));
  CHECK(sampling_of({}, {}).steps.size() == 50);
}

TEST_CASE("scheduler: no number of steps or jumps takes all memory") {
  for (const char* name : {"EulerDiscreteScheduler", "DDIMScheduler", "HeunDiscreteScheduler", "DPMSolverSDEScheduler",
                           "EDMEulerScheduler", "EDMDPMSolverMultistepScheduler", "FlowMatchEulerDiscreteScheduler",
                           "FlowMatchHeunDiscreteScheduler", "IPNDMScheduler", "ScoreSdeVeScheduler", "ScoreSdeVpScheduler",
                           "KarrasVeScheduler", "dpm_fast", "dpm_adaptive", "dpmpp_2m_sde"}) {
    INFO(name);
    const SchedulerConfig config = read(std::string(R"({"_class_name":")") + name + "\"}");
    for (const int steps : {1'000'001, std::numeric_limits<int>::max(), -1}) {
      CHECK_THROWS_WITH(sampling_of(config, {.steps = steps}),
                        Catch::Contains("steps must be from 0 to 1000000, got " + std::to_string(steps)));
    }
  }
  const SchedulerConfig repaint = read(R"({"_class_name":"RePaintScheduler"})");
  const Tensor picture = Tensor::zeros({1, 2, 2, 1});
  const auto jumps = [&](int length, int times) {
    const SamplingOptions options{
        .steps = 250, .picture = picture, .mask = picture, .jump_length = length, .jump_n_sample = times};
    return sampling_of(repaint, options);
  };
  CHECK_THROWS_WITH(jumps(10, std::numeric_limits<int>::max()), Catch::Contains("jump_n_sample must be from 1 to 1000000"));
  CHECK_THROWS_WITH(jumps(0, 10), Catch::Contains("jump_length must be from 1 to 1000000, got 0"));
  CHECK_THROWS_WITH(jumps(10, 5000), Catch::Contains("more than 1000000 steps"));
  CHECK(jumps(1'000'000, 5000).steps.size() == 250);
}

TEST_CASE("scheduler: a sampler for networks of another kind is refused, one of the same kind taken") {
  CHECK_THROWS_WITH(SchedulerConfig().with_sampler("flow_euler"), Catch::Contains("flow matching") && Catch::Contains("ddim"));
  CHECK_THROWS_WITH(read(R"({"_class_name":"EDMEulerScheduler"})").with_sampler("ddim"), Catch::Contains("EDM"));
  CHECK(read(R"({"_class_name":"EDMEulerScheduler"})").with_sampler("edm_dpmpp_2m").name() == "edm_dpmpp_2m");
}
