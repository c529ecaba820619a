// What a host thread carries: the library's one thread-local.
#pragma once

#include "eddy/autograd.hpp"

namespace eddy::inline v0_1 {

class Backward;

struct Scope {
  bool grad = true;                     // operations record
  bool recording = false;               // inside a checkpoint's forward pass: one operation of a tape
  const CancelScope* cancel = nullptr;  // looked at between operations
  bool dropout_on = false;
  DropoutKey dropout{};
  Backward* backward = nullptr;  // the backward pass that runs on this thread
};

Scope& scope() noexcept;

// Puts a scope in place, and the old one back.
class ScopeGuard {
 public:
  explicit ScopeGuard(const Scope& next) noexcept : previous_(scope()) { scope() = next; }
  ~ScopeGuard() { scope() = previous_; }
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;

 private:
  Scope previous_;
};

}  // namespace eddy::inline v0_1
