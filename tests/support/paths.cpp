#include "support/paths.hpp"

namespace eddy::test {

std::string source_path(const std::string& relative) { return EDDY_SOURCE_DIR "/" + relative; }

}  // namespace eddy::test
