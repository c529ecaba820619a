// The shared flag behind a CancelToken, and the host's own stop token beside it.
#include "eddy/cancel.hpp"

#include <atomic>
#include <utility>

#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

static_assert(std::atomic<bool>::is_always_lock_free, "cancel() must be async-signal-safe");

struct CancelToken::State {
  std::atomic<bool> flag{false};
  std::shared_ptr<const void> stop{};
  bool (*stop_requested)(const void*) noexcept = nullptr;
};

CancelToken::CancelToken() : state_(std::make_shared<State>()) {}

CancelToken::CancelToken(std::shared_ptr<const void> stop, bool (*stop_requested)(const void*) noexcept) : CancelToken() {
  state_->stop = std::move(stop);
  state_->stop_requested = stop_requested;
}

void CancelToken::cancel() const noexcept { state_->flag.store(true, std::memory_order_relaxed); }

bool CancelToken::cancelled() const noexcept {
  if (state_->flag.load(std::memory_order_relaxed)) return true;
  return state_->stop_requested != nullptr && state_->stop_requested(state_->stop.get());
}

void CancelToken::check() const {
  if (cancelled()) throw Cancelled();
}

}  // namespace eddy::inline v0_1
