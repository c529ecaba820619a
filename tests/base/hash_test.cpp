#include "base/hash.hpp"

#include "support/catch.hpp"

using namespace eddy;

TEST_CASE("hash: the vectors of FNV-1a, and a text in two parts") {
  CHECK(fnv1a("") == 0xcbf29ce484222325u);
  CHECK(fnv1a("a") == 0xaf63dc4c8601ec8cu);
  CHECK(fnv1a("foobar") == 0x85944171f73967e8u);
  CHECK(fnv1a("bar", fnv1a("foo")) == fnv1a("foobar"));
}
