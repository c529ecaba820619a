#include "io/json.hpp"

#include "eddy/error.hpp"
#include "support/catch.hpp"

using namespace eddy;

TEST_CASE("json: duplicates, comments, deep nesting and rubbish are refused with their source") {
  CHECK(parse_json(R"({"a":[1,2.5,null,true]})", "s")["a"][1] == 2.5);
  for (const std::string& text : {std::string(R"({"a":1,"a":2})"), std::string("{} x"), std::string("// c\n{}"), std::string("{"),
                                  std::string(), std::string(100000, '[')}) {
    CHECK_THROWS_WITH(parse_json(text, "file.json"), Catch::Contains("file.json"));
  }
}

TEST_CASE("json fields: types, ranges and unknown keys are named") {
  const Json json = parse_json(R"({"n":3,"x":"text","big":99})", "s");
  JsonFields f(json, "c.json");
  CHECK(f.integer("n", 0, 0, 10) == 3);
  CHECK(f.number("absent", 1.5) == 1.5);
  CHECK_THROWS_WITH(f.integer("big", 0, 0, 10), Catch::Contains("big"));
  const std::int64_t far = std::int64_t{1} << 40;
  CHECK_THROWS_WITH(f.integer("n", 0, 4, far), Catch::Contains("an integer of at least 4, got 3"));
  CHECK_THROWS_WITH(f.integer("n", 0, 4, 9), Catch::Contains("an integer from 4 to 9, got 3"));
  const Json beyond = parse_json(R"({"n":1099511627777})", "s");
  CHECK_THROWS_WITH(JsonFields(beyond, "c.json").integer("n", 0, 4, far), Catch::Contains("from 4 to 1099511627776"));
  CHECK_THROWS_WITH(f.number("x", 0), Catch::Contains("c.json"));
  CHECK_NOTHROW(f.finish());
  JsonFields other(json, "c.json");
  other.integer("n", 0, 0, 10);
  CHECK_THROWS_WITH(other.finish(), Catch::Contains("big"));
}
