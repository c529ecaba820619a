// How a kernel reaches the threads of its Context.
#pragma once

#include <cstdint>

namespace eddy::inline v0_1 {

struct Launch {
  void (*run_tiles)(void* threads, std::int64_t n, void (*function)(void* argument, std::int64_t tile, int slot),
                    void* argument);
  void* threads;
  int slots;
};

}  // namespace eddy::inline v0_1
