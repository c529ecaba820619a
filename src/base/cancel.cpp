// The shared flag behind a CancelToken.
#include "eddy/cancel.hpp"

#include <atomic>

#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

static_assert(std::atomic<bool>::is_always_lock_free, "cancel() must be async-signal-safe");

CancelToken::CancelToken() : flag_(std::make_shared<std::atomic<bool>>(false)) {}

void CancelToken::cancel() const noexcept {
  static_cast<std::atomic<bool>*>(flag_.get())->store(true, std::memory_order_relaxed);
}

bool CancelToken::cancelled() const noexcept {
  return static_cast<const std::atomic<bool>*>(flag_.get())->load(std::memory_order_relaxed);
}

void CancelToken::check() const {
  if (cancelled()) throw Cancelled();
}

}  // namespace eddy::inline v0_1
