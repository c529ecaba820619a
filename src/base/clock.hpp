// Time.
#pragma once

#include <chrono>

namespace eddy::inline v0_1 {

// Seconds since some fixed moment; never runs back.
inline double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace eddy::inline v0_1
