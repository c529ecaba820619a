// The version that is linked.
#include "eddy/version.hpp"

#define EDDY_TEXT_OF(x) #x
#define EDDY_TEXT(x) EDDY_TEXT_OF(x)

namespace eddy::inline v0_1 {

const char* version() noexcept {
  return EDDY_TEXT(EDDY_VERSION_MAJOR) "." EDDY_TEXT(EDDY_VERSION_MINOR) "." EDDY_TEXT(EDDY_VERSION_PATCH);
}

}  // namespace eddy::inline v0_1
