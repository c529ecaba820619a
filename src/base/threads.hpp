// The built-in threads of a Context.
#pragma once

#include <memory>

#include "eddy/context.hpp"

namespace eddy::inline v0_1 {

// `slots` threads in all, the caller of run_tiles among them.
std::shared_ptr<Threads> make_threads(int slots);

}  // namespace eddy::inline v0_1
