// What `operator new` is asked for, and an allocation that fails; all of it is absent under a sanitizer, which brings its own.
#pragma once

#include <cstddef>
#include <cstdint>

namespace eddy::test {

bool counts_allocations();             // false under a sanitizer
std::int64_t large_allocations();      // requests of more than 4 KiB so far, by any thread
std::int64_t allocated_bytes();        // of blocks that live, by any thread

// While one lives, this thread's next request of at least `bytes` throws std::bad_alloc, once.
class FailingAllocation {
 public:
  explicit FailingAllocation(std::size_t bytes);
  ~FailingAllocation();
  FailingAllocation(const FailingAllocation&) = delete;
  FailingAllocation& operator=(const FailingAllocation&) = delete;
  bool failed() const;
};

}  // namespace eddy::test
