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

TEST_CASE("scheduler: a sampler for networks of another kind is refused, one of the same kind taken") {
  CHECK_THROWS_WITH(SchedulerConfig().with_sampler("flow_euler"), Catch::Contains("flow matching") && Catch::Contains("ddim"));
  CHECK_THROWS_WITH(read(R"({"_class_name":"EDMEulerScheduler"})").with_sampler("ddim"), Catch::Contains("EDM"));
  CHECK(read(R"({"_class_name":"EDMEulerScheduler"})").with_sampler("edm_dpmpp_2m").name() == "edm_dpmpp_2m");
}
