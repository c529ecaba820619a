// The exceptions of the library.
#pragma once

#include <stdexcept>
#include <string>

#include "eddy/version.hpp"

namespace eddy::inline v0_1 {

// Everything that the library refuses. The message says: operation, what must hold, what was given, how to mend it.
// Exceptions of a user's own callbacks, denoisers and operations pass through unchanged.
class EDDY_API Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message);
  ~Error() override;
};

// Thrown between two operations after a CancelToken was asked to stop.
class EDDY_API Cancelled : public Error {
 public:
  Cancelled();
  ~Cancelled() override;
};

}  // namespace eddy::inline v0_1
