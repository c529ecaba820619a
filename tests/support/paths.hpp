// Where the sources lie.
#pragma once

#include <string>

namespace eddy::test {

std::string source_path(const std::string& relative);  // of the project's root

}  // namespace eddy::test
