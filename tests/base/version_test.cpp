#include "eddy/version.hpp"

#include <string>

#include "support/catch.hpp"

using namespace eddy;

TEST_CASE("version: the linked one is the header's") {
  CHECK(std::string(version()) == std::to_string(EDDY_VERSION_MAJOR) + "." + std::to_string(EDDY_VERSION_MINOR) + "." +
                                      std::to_string(EDDY_VERSION_PATCH));
}
