// How often `operator new` was asked for more than 4 KiB, by any thread; 0 under a sanitizer.
#pragma once

#include <cstdint>

namespace eddy::test {

std::int64_t large_allocations();

}  // namespace eddy::test
