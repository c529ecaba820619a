#include "io/json.hpp"

#include <cmath>
#include <limits>

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

TEST_CASE("json: Python's Infinity and NaN are read and written under the one key of diffusers") {
  const Json json = parse_json(
      R"({"a": "-Infinity, NaN", "lambda_min_clipped": -Infinity, "list": [{"lambda_min_clipped": Infinity}]})", "s");
  CHECK(json["lambda_min_clipped"] == -std::numeric_limits<double>::infinity());
  CHECK(json["list"][0]["lambda_min_clipped"] == std::numeric_limits<double>::infinity());
  CHECK(json["a"] == "-Infinity, NaN");
  CHECK(json_text(json) == "{\n  \"a\": \"-Infinity, NaN\",\n  \"lambda_min_clipped\": -Infinity,\n  \"list\": [\n    {\n"
                           "      \"lambda_min_clipped\": Infinity\n    }\n  ]\n}\n");
  const Json nan = parse_json(R"({"lambda_min_clipped":NaN})", "s");
  CHECK(std::isnan(nan["lambda_min_clipped"].get<double>()));
  CHECK(json_text(nan) == "{\n  \"lambda_min_clipped\": NaN\n}\n");
  JsonFields f(json, "s.json");
  CHECK(f.number("lambda_min_clipped", 0) == -std::numeric_limits<double>::infinity());
}

TEST_CASE("json: numbers beside a word keep their values, whatever spelling of zero stands for the word") {
  const Json json = parse_json(R"({"a":0.0,"b":[0.00,0.000,0],"c":"0.0000","lambda_min_clipped":-Infinity})", "s");
  CHECK(json["a"] == 0.0);
  CHECK(json["b"] == Json({0.0, 0.0, 0}));
  CHECK(json["lambda_min_clipped"] == -std::numeric_limits<double>::infinity());
  const std::string zeros(200, '0');
  CHECK(parse_json("{\"a\":0." + zeros + "1}", "s")["a"].get<double>() == Approx(0).margin(1e-100));
  CHECK_THROWS_WITH(parse_json("{\"a\":0." + zeros + ",\"lambda_min_clipped\":NaN}", "s"), Catch::Contains("100 zeros"));
}

TEST_CASE("json: a word elsewhere is an error that names file and key") {
  CHECK_THROWS_WITH(parse_json(R"({"x":{"beta_start":-Infinity}})", "c.json"), Catch::Contains("c.json: beta_start"));
  CHECK_THROWS_WITH(parse_json(R"({"lambda_min_clipped":[NaN]})", "c.json"), Catch::Contains("lambda_min_clipped"));
  CHECK_THROWS_WITH(parse_json("NaN", "c.json"), Catch::Contains("c.json: a value"));
  for (const char* text : {R"({"lambda_min_clipped":1NaN})", R"({"lambda_min_clipped":-NaN})", R"({"lambda_min_clipped":nan})",
                           R"({"lambda_min_clipped":--Infinity})", R"({"lambda_min_clipped":Infinityx})",
                           R"({"lambda_min_clipped":+Infinity})", R"({Infinity:1})", R"({"lambda_min_clipped":NaN"})",
                           R"({"lambda_min_clipped":1e999})"}) {
    INFO(text);
    CHECK_THROWS_AS(parse_json(text, "c.json"), Error);
  }
}

TEST_CASE("json: text is what Python writes") {
  const char* text = "{\n  \"_class_name\": \"caf\\u00e9 \\u007f \\ud83d\\ude00 \\\" \\\\ \\n\",\n"
                     "  \"a\": [],\n  \"b\": {},\n  \"c\": [\n"
                     "    1,\n    -2.5,\n    1e-05,\n    0.1,\n    0.0001,\n    2.0,\n    true,\n    null\n  ]\n}\n";
  CHECK(json_text(parse_json(text, "s")) == text);
}
