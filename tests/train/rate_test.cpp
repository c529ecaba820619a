#include <cmath>
#include <map>

#include "eddy/eddy.hpp"
#include "io/json.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace eddy;

TEST_CASE("rate: each schedule gives at each step what LambdaLR gives with diffusers' function") {
  constexpr double rate = 2e-3;
  const std::map<std::string, RateSchedule> schedules{
      {"constant", constant_rate()},
      {"constant_with_warmup 5", constant_rate(5)},
      {"linear 5", linear_rate(5)},
      {"linear 0", linear_rate()},
      {"cosine 5", cosine_rate(5)},
      {"cosine 1 cycles 1.75", cosine_rate(1, 1.75)},
      {"cosine_with_restarts 5", cosine_with_restarts_rate(5)},
      {"cosine_with_restarts 3 cycles 3", cosine_with_restarts_rate(3, 3)},
      {"polynomial 5", polynomial_rate(5, 1, 1e-7 / rate)},
      {"polynomial 2 power 2.5 end 1e-4", polynomial_rate(2, 2.5, 1e-4 / rate)},
      {"piecewise_constant", piecewise_constant_rate({{1, 10}, {0.1, 20}, {0.01, 25}}, 0.005)}};
  const Json golden = parse_json(test::Golden("train").file().metadata().at("rates"), "golden");
  REQUIRE(golden.size() == schedules.size());
  for (const auto& [name, schedule] : schedules) {
    const auto expected = golden.at(name).get<std::vector<double>>();
    REQUIRE(expected.size() == 30);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      INFO(name << ", step " << i);
      CHECK(std::abs(rate * schedule(static_cast<std::int64_t>(i), 24) - expected[i]) <= 1e-12 * rate);
    }
  }
}

TEST_CASE("rate: what is out of range is refused") {
  CHECK_THROWS_WITH(constant_rate(-1), Catch::Contains("constant_rate: warmup"));
  CHECK_THROWS_WITH(cosine_rate(0, -1), Catch::Contains("cycles"));
  CHECK_THROWS_WITH(cosine_with_restarts_rate(0, 0), Catch::Contains("cycles"));
  CHECK_THROWS_WITH(polynomial_rate(0, 0), Catch::Contains("power"));
  CHECK_THROWS_WITH(polynomial_rate(0, 1, 1), Catch::Contains("end must be in [0, 1)"));
  CHECK_THROWS_WITH(piecewise_constant_rate({{1, 10}, {0.5, 10}}, 0.1), Catch::Contains("ascend"));
  CHECK_THROWS_WITH(piecewise_constant_rate({{-1, 10}}, 0.1), Catch::Contains("factors"));
}
