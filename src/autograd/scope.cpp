// The thread's scope and the guards that change it.
#include "autograd/scope.hpp"

namespace eddy::inline v0_1 {

Scope& scope() noexcept {
  thread_local Scope current;
  return current;
}

NoGrad::NoGrad() noexcept : previous_(scope().grad) { scope().grad = false; }
NoGrad::~NoGrad() { scope().grad = previous_; }

EnableGrad::EnableGrad() noexcept : previous_(scope().grad) { scope().grad = true; }
EnableGrad::~EnableGrad() { scope().grad = previous_; }

CancelScope::CancelScope(const CancelToken& token) : previous_(scope().cancel), token_(token) {
  scope().cancel = this;
}
CancelScope::~CancelScope() { scope().cancel = previous_; }
void CancelScope::check() const {
  for (const CancelScope* each = this; each != nullptr; each = each->previous_) each->token_.check();
}

DropoutScope::DropoutScope(DropoutKey key) noexcept : previous_on_(scope().dropout_on), previous_(scope().dropout) {
  scope().dropout_on = true;
  scope().dropout = key;
}
DropoutScope::~DropoutScope() {
  scope().dropout_on = previous_on_;
  scope().dropout = previous_;
}

bool grad_enabled() noexcept { return scope().grad; }
const DropoutKey* dropout_key() noexcept { return scope().dropout_on ? &scope().dropout : nullptr; }

}  // namespace eddy::inline v0_1
