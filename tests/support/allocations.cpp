#include "support/allocations.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

// Sanitizers bring their own.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define EDDY_TEST_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EDDY_TEST_SANITIZED
#endif

#ifdef EDDY_TEST_SANITIZED

namespace eddy::test {

bool counts_allocations() { return false; }
std::int64_t large_allocations() { return 0; }
std::int64_t allocated_bytes() { return 0; }
FailingAllocation::FailingAllocation(std::size_t) {}
FailingAllocation::~FailingAllocation() = default;
bool FailingAllocation::failed() const { return false; }

}  // namespace eddy::test

#else

#include <malloc.h>

namespace {

std::atomic<std::int64_t> large{0}, live{0};
constexpr std::size_t kNever = ~std::size_t{0};
thread_local std::size_t fails_from = kNever;

void* allocate(std::size_t bytes) {
  if (bytes >= fails_from) {
    fails_from = kNever;
    throw std::bad_alloc();
  }
  if (bytes > 4096) large.fetch_add(1, std::memory_order_relaxed);
  if (void* pointer = std::malloc(bytes > 0 ? bytes : 1)) {
    live.fetch_add(static_cast<std::int64_t>(malloc_usable_size(pointer)), std::memory_order_relaxed);
    return pointer;
  }
  throw std::bad_alloc();
}

void release(void* pointer) {
  live.fetch_sub(static_cast<std::int64_t>(malloc_usable_size(pointer)), std::memory_order_relaxed);
  std::free(pointer);
}

}  // namespace

namespace eddy::test {

bool counts_allocations() { return true; }
std::int64_t large_allocations() { return large.load(); }
std::int64_t allocated_bytes() { return live.load(); }
FailingAllocation::FailingAllocation(std::size_t bytes) { fails_from = bytes; }
FailingAllocation::~FailingAllocation() { fails_from = kNever; }
bool FailingAllocation::failed() const { return fails_from == kNever; }

}  // namespace eddy::test

void* operator new(std::size_t bytes) { return allocate(bytes); }
void* operator new[](std::size_t bytes) { return allocate(bytes); }
void operator delete(void* pointer) noexcept { release(pointer); }
void operator delete[](void* pointer) noexcept { release(pointer); }
void operator delete(void* pointer, std::size_t) noexcept { release(pointer); }
void operator delete[](void* pointer, std::size_t) noexcept { release(pointer); }

#endif
