// Exceptions of the library.
#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

Error::Error(const std::string& message) : std::runtime_error(message) {}
Error::~Error() = default;

Cancelled::Cancelled() : Error("cancelled") {}
Cancelled::~Cancelled() = default;

}  // namespace eddy::inline v0_1
