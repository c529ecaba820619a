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
  // From a std::stop_token, or anything else that has stop_requested(), callable from any thread: it is asked beside the flag.
  template <class StopToken>
    requires requires(const StopToken& stop) { stop.stop_requested() ? 1 : 0; }
  CancelToken(StopToken stop)  // NOLINT: a stop token is a token
      : CancelToken(std::make_shared<const StopToken>(static_cast<StopToken&&>(stop)), [](const void* asked) noexcept -> bool {
          return static_cast<const StopToken*>(asked)->stop_requested();
        }) {}
  void cancel() const noexcept;
  bool cancelled() const noexcept;

  // Throws Cancelled when the flag is set.
  void check() const;

 private:
  CancelToken(std::shared_ptr<const void> stop, bool (*stop_requested)(const void*) noexcept);
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace eddy::inline v0_1
