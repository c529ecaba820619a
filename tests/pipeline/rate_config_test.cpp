// The learning rate, the average and the optimiser in a run's configuration.
#include "pipeline/rate_config.hpp"

#include "eddy/error.hpp"
#include "pipeline/run_config.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

RunConfig read(const Json& train) { return run_config_from_json({{"train", train}}, "config"); }

std::string message(const Json& train) {
  try {
    read(train);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("rate config: each schedule of diffusers by its name, with its arguments") {
  const std::vector<std::pair<Json, RateSchedule>> cases{
      {{{"lr_schedule", "constant"}}, constant_rate()},
      {{{"lr_schedule", "constant_with_warmup"}, {"warmup", 3}}, constant_rate(3)},
      {{{"lr_schedule", "linear"}, {"warmup", 3}}, linear_rate(3)},
      {{{"warmup", 3}, {"lr_cycles", 1.25}}, cosine_rate(3, 1.25)},
      {{{"lr_schedule", "cosine_with_restarts"}, {"warmup", 3}}, cosine_with_restarts_rate(3)},
      {{{"lr_schedule", "cosine_with_restarts"}, {"warmup", 3}, {"lr_cycles", 2}}, cosine_with_restarts_rate(3, 2)},
      {{{"lr_schedule", "polynomial"}, {"warmup", 3}, {"lr_power", 2}, {"lr_end", 1e-3}}, polynomial_rate(3, 2, 0.1)},
      {{{"lr_schedule", "piecewise_constant"}, {"lr_rules", "1:3,0.5:7,0.25"}},
       piecewise_constant_rate({{1, 3}, {0.5, 7}}, 0.25)}};
  for (const auto& [keys, expected] : cases) {
    Json train = keys;
    train["learning_rate"] = 1e-2;
    INFO(train.dump());
    const RunConfig c = read(train);
    const Json written = run_config_to_json(c).at("train");
    CHECK(run_config_to_json(read(written)).at("train") == written);  // read and written again
    for (const auto& [key, value] : keys.items()) CHECK(written.at(key) == value);
    for (std::int64_t i = 0; i < 20; ++i) CHECK(c.train.rate_schedule(i, 20) == Approx(expected(i, 20)).epsilon(1e-12));
  }
  const RunConfig stretched = read({{"lr_schedule", "linear"}, {"lr_steps", 40}});
  CHECK(stretched.train.rate_schedule(10, 20) == 0.75);
}

TEST_CASE("rate config: an argument that the schedule does not take, or not so, is refused by its name") {
  CHECK_THAT(message({{"lr_schedule", "exponential"}}), Catch::Contains("lr_schedule: must be one of constant, "));
  CHECK_THAT(message({{"lr_schedule", "constant"}, {"warmup", 3}}), Catch::Contains("warmup: must be left out"));
  CHECK_THAT(message({{"lr_schedule", "linear"}, {"lr_power", 2}}), Catch::Contains("lr_power: must be left out"));
  CHECK_THAT(message({{"lr_schedule", "cosine_with_restarts"}, {"lr_cycles", 0.5}}), Catch::Contains("lr_cycles: must be a "));
  CHECK_THAT(message({{"lr_cycles", -1}}), Catch::Contains("lr_cycles"));
  CHECK_THAT(message({{"lr_schedule", "polynomial"}, {"learning_rate", 1e-4}, {"lr_end", 1e-3}}),
             Catch::Contains("lr_end: must be below learning_rate"));
  CHECK_THAT(message({{"lr_schedule", "polynomial"}, {"lr_power", 0}}), Catch::Contains("lr_power: must be above 0"));
  for (const char* rules : {"", "1:3", "1:3,0.5:3,1", "1:3,0.5:2,1", "-1:3,1", "1:0,1", "a:3,1", "1:3x,1", "1:3,,1", "3,1",
                            "1:3,nan"}) {
    const Json train{{"lr_schedule", "piecewise_constant"}, {"lr_rules", rules}};
    CHECK_THAT(message(train), Catch::Contains("lr_rules: must be of the form") && Catch::Contains(Json(rules).dump()));
  }
}

TEST_CASE("rate config: another schedule leaves the arguments of the old one behind, and only those") {
  const Json base{{"train", {{"lr_schedule", "cosine"}, {"warmup", 7}, {"lr_steps", 9}, {"lr_cycles", 0.5}, {"steps", 3}}}};
  const auto with = [&](const Json& train) { return merged(base, {{"train", train}}).at("train"); };
  CHECK(with({{"lr_schedule", "polynomial"}, {"lr_power", 2}}) ==
        Json{{"lr_schedule", "polynomial"}, {"warmup", 7}, {"lr_steps", 9}, {"lr_power", 2}, {"steps", 3}});
  CHECK(with({{"lr_schedule", "constant"}}) == Json{{"lr_schedule", "constant"}, {"steps", 3}});
  CHECK(with({{"lr_schedule", "cosine"}}) == base["train"]);
  CHECK(with({{"warmup", 1}})["lr_cycles"] == 0.5);
}

TEST_CASE("run config: only schedules that rise get a warm-up without a wish") {
  const auto train = [](const Json& wishes) { return complete_run_config({{"train", wishes}}, {8, 8, 1}, {}).at("train"); };
  CHECK(train({{"steps", 400}})["warmup"] == 20);
  CHECK(train({{"steps", 400}, {"lr_schedule", "linear"}})["warmup"] == 20);
  CHECK_FALSE(train({{"steps", 400}, {"lr_schedule", "constant"}}).contains("warmup"));
  CHECK_FALSE(train({{"steps", 400}, {"lr_schedule", "piecewise_constant"}}).contains("warmup"));
}

TEST_CASE("run config: the average, AdamW and the loss come back as they were given") {
  const Json given{{"ema_decay", 0.99},  {"ema_min_decay", 0.5}, {"ema_update_after_step", 4}, {"ema_power", 0.75},
                   {"ema_inv_gamma", 2}, {"adam_beta1", 0.95},   {"adam_beta2", 0.98},         {"adam_eps", 1e-6},
                   {"weight_decay", 1e-6}, {"loss", "snr"},      {"min_snr_gamma", 3}};
  const RunConfig c = read(given);
  CHECK(c.train.ema.decay == 0.99);
  CHECK(c.train.ema.min_decay == 0.5);
  CHECK(c.train.ema.update_after_step == 4);
  CHECK(c.train.ema.power == 0.75);
  CHECK(c.train.ema.inv_gamma == 2);
  CHECK(c.optimizer.beta1 == 0.95);
  CHECK(c.optimizer.beta2 == 0.98);
  CHECK(c.optimizer.eps == 1e-6);
  CHECK(c.optimizer.weight_decay == 1e-6);
  CHECK(c.loss.weighting == Weighting::snr);
  CHECK(c.min_snr_gamma == 3);
  const Json written = run_config_to_json(c).at("train");
  for (const auto& [key, value] : given.items()) CHECK(written.at(key) == value);

  for (const Json& wrong : std::vector<Json>{{{"ema_min_decay", 0.99995}}, {{"ema_inv_gamma", 2}}, {{"ema_power", -1}},
                                             {{"ema_update_after_step", -2}}, {{"adam_beta1", 1}}, {{"adam_beta2", 1}},
                                             {{"adam_eps", 0}}, {{"min_snr_gamma", 0}}}) {
    CHECK_THAT(message(wrong), Catch::Contains(wrong.begin().key()));
  }
}
