#include "pipeline/run_config.hpp"
#include "pipeline/unet_config.hpp"
#include "support/catch.hpp"
#include "support/paths.hpp"

using namespace eddy;

namespace {

Json fitted(Json train, Pace pace, double seconds) {
  const RunConfig config = run_config_from_json({{"train", train}}, "config");
  fit_steps(train, config, pace, seconds);
  return train;
}

}  // namespace

TEST_CASE("run: what fits into the time is steps, and a tenth of it held-out losses and grids") {
  // Three rounds of 3 s make a tenth of 100 s; 97 - 9 s are left for steps of 0.125 s.
  const Json some = fitted(Json::object(), {0.125, 2, 1}, 100);
  CHECK(some == Json{{"steps", 704}, {"held_out_every", 235}, {"sample_every", 235}});
  CHECK(fitted(Json::object(), {0.125, 2, 1}, 3600)["held_out_every"] == 2770);       // ten rounds at most: (3492 - 30) s
  CHECK(fitted(Json::object(), {0.125, 2, 1}, 10)["steps"] == 53);                    // one round at least
  CHECK(fitted(Json::object(), {0.125, 2, 1}, 2)["steps"] == 1);                      // and one step
  // Where it is said how often, each step bears its part: 0.125 + 2 / 10 + 0.
  const Json asked = fitted({{"held_out_every", 10}, {"sample_every", 0}}, {0.125, 2, 1}, 100);
  CHECK(asked == Json{{"steps", 298}, {"held_out_every", 10}, {"sample_every", 0}});
}

TEST_CASE("run: only a noise prediction limits x0 while it samples") {
  const auto clips = [](const Json& wishes) {
    return complete_run_config(wishes, {28, 28, 1}, {})["scheduler"]["clip_sample"].get<bool>();
  };
  CHECK_FALSE(clips(Json::object()));
  CHECK_FALSE(clips({{"scheduler", {{"prediction_type", "sample"}}}}));
  CHECK(clips({{"scheduler", {{"prediction_type", "epsilon"}}}}));
  CHECK(clips({{"train", {{"loss", "hybrid"}}}}));
  CHECK(clips({{"scheduler", {{"clip_sample", true}}}}));
}

TEST_CASE("run: a scheduler that needs a picture has no samples to show") {
  for (const char* name : {"DDIMInverseScheduler", "DPMSolverMultistepInverseScheduler", "RePaintScheduler"}) {
    CHECK_THROWS_WITH(run_config_from_json({{"scheduler", {{"_class_name", name}}}}, "config"),
                      Catch::Contains(std::string("config: scheduler: ") + name + " needs a picture"));
  }
}

TEST_CASE("run: a time embedding knows every step of the scheduler") {
  const auto read = [](const char* unet) { return run_config_from_json({{"unet", parse_json(unet, "u")}}, "config"); };
  CHECK_THROWS_WITH(read(R"({"time_embedding_type":"fourier"})"), Catch::Contains("config: unet: time_embedding_type"));
  CHECK_THROWS_WITH(read(R"({"time_embedding_type":"learned","num_train_timesteps":999})"),
                    Catch::Contains("num_train_timesteps") && Catch::Contains("at least the 1000 steps") && Catch::Contains("999"));
  CHECK_NOTHROW(read(R"({"time_embedding_type":"learned","num_train_timesteps":1000})"));
}

TEST_CASE("run: the benchmark's models are configurations, and quickstart's is what Fashion-MNIST gets without a wish") {
  const auto read = [](const std::string& name) { return read_json(test::source_path("bench/" + name + ".json")); };
  for (const char* name : {"small", "cifar10", "quickstart"}) CHECK_NOTHROW(run_config_from_json(read(name), name));
  const auto model = [](const Json& config) { return unet_config_to_json(unet_config_from_json(config.at("unet"), "config")); };
  const Json config = complete_run_config(Json::object(), {28, 28, 1}, std::vector<std::string>(10, "a class"));
  CHECK(model(read("quickstart")) == model(config));
  CHECK(read("quickstart").at("train").at("batch_size") == config.at("train").at("batch_size"));
}
