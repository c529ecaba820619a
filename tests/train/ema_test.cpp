#include <cmath>

#include "eddy/eddy.hpp"
#include "io/json.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace eddy;

TEST_CASE("ema_decay: at the defaults the smaller of what is asked and (1 + n) / (10 + n)") {
  CHECK(ema_decay({}, 1) == 2.0 / 11);
  CHECK(ema_decay({}, 1000000) == 0.9999);
  CHECK(ema_decay({.decay = 0.25}, 3) == 0.25);
}

TEST_CASE("ema_decay: at each update what diffusers' EMAModel gives") {
  const Json golden = parse_json(test::Golden("train").file().metadata().at("decays"), "golden");
  REQUIRE(golden.size() == 5);
  for (const Json& g : golden) {
    INFO(g.dump().substr(0, 120));
    EmaOptions o{.decay = g.value("decay", 0.9999), .min_decay = g.value("min_decay", 0.0),
                 .update_after_step = g.value("update_after_step", std::int64_t{0})};
    if (g.value("use_ema_warmup", false)) o.power = g.at("power").get<double>(), o.inv_gamma = g.at("inv_gamma").get<double>();
    const auto updates = g.at("updates").get<std::vector<std::int64_t>>();
    const auto values = g.at("values").get<std::vector<double>>();
    REQUIRE(updates.size() == 33);
    for (std::size_t i = 0; i < updates.size(); ++i) CHECK(std::abs(ema_decay(o, updates[i]) - values[i]) <= 1e-12);
  }
}

TEST_CASE("ema_decay: what is out of range is refused") {
  CHECK_THROWS_WITH(ema_decay({.decay = 1}, 1), Catch::Contains("decay must be in [0, 1)"));
  CHECK_THROWS_WITH(ema_decay({.decay = 0.5, .min_decay = 0.6}, 1), Catch::Contains("min_decay"));
  CHECK_THROWS_WITH(ema_decay({.update_after_step = -2}, 1), Catch::Contains("update_after_step"));
  CHECK_THROWS_WITH(ema_decay({.power = -1}, 1), Catch::Contains("power"));
  CHECK_THROWS_WITH(ema_decay({.inv_gamma = 2}, 1), Catch::Contains("inv_gamma needs a power"));
}
