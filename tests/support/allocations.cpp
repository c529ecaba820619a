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

std::int64_t eddy::test::large_allocations() { return 0; }

#else

namespace {

std::atomic<std::int64_t> large{0};

void* allocate(std::size_t bytes) {
  if (bytes > 4096) large.fetch_add(1, std::memory_order_relaxed);
  if (void* pointer = std::malloc(bytes > 0 ? bytes : 1)) return pointer;
  throw std::bad_alloc();
}

}  // namespace

std::int64_t eddy::test::large_allocations() { return large.load(); }

void* operator new(std::size_t bytes) { return allocate(bytes); }
void* operator new[](std::size_t bytes) { return allocate(bytes); }
void operator delete(void* pointer) noexcept { std::free(pointer); }
void operator delete[](void* pointer) noexcept { std::free(pointer); }
void operator delete(void* pointer, std::size_t) noexcept { std::free(pointer); }
void operator delete[](void* pointer, std::size_t) noexcept { std::free(pointer); }

#endif
