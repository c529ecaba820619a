// Stopping long work from outside: one shared flag that operations look at.
#pragma once

#include <memory>

#include "eddy/version.hpp"

namespace eddy::inline v0_1 {

// Copies share the flag. A default-made token is a flag of its own that nobody has set. Setting it is async-signal-safe
// and may be done from any thread; the work then throws Cancelled between two operations.
class EDDY_API CancelToken {
 public:
  CancelToken();
  void cancel() const noexcept;
  bool cancelled() const noexcept;

  // Throws Cancelled when the flag is set.
  void check() const;

 private:
  std::shared_ptr<void> flag_;
};

}  // namespace eddy::inline v0_1
