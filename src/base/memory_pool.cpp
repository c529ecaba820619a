// Blocks by size class, kept for reuse.
#include "base/memory_pool.hpp"

#include <algorithm>
#include <bit>
#include <new>
#include <string>

#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

namespace {
constexpr std::size_t kAlignment = 64;
constexpr std::size_t kSmallest = 256;
}  // namespace

std::size_t MemoryPool::rounded(std::size_t bytes) noexcept {
  if (bytes <= kSmallest) return kSmallest;
  const std::size_t step = std::max(kAlignment, std::bit_floor(bytes - 1) / 8);
  return (bytes + step - 1) / step * step;
}

MemoryPool::~MemoryPool() { release_unused(); }

void* MemoryPool::allocate(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  if (bytes > (std::size_t{1} << 62)) throw Error("memory: " + std::to_string(bytes) + " bytes cannot be had");
  const std::size_t size = rounded(bytes);
  const std::lock_guard lock(mutex_);
  auto found = unused_.find(size);
  if (found != unused_.end() && !found->second.empty()) {
    void* block = found->second.back();
    found->second.pop_back();
    in_use_ += size;
    return block;
  }
  if (limit_ != 0 && held_ + size > limit_ && !release_some(size)) {
    throw Error("memory: " + std::to_string(size) + " bytes more would pass the limit of " + std::to_string(limit_) +
                " (" + std::to_string(in_use_) + " in use); use smaller batches or raise memory_limit");
  }
  void* block = ::operator new(size, std::align_val_t{kAlignment}, std::nothrow);
  if (block == nullptr) {
    throw Error("memory: the system has no " + std::to_string(size) + " bytes more (" + std::to_string(held_) +
                " held); use smaller batches");
  }
  ++system_calls_;
  in_use_ += size;
  held_ += size;
  peak_ = std::max(peak_, held_);
  return block;
}

void MemoryPool::free(void* block, std::size_t bytes) noexcept {
  if (block == nullptr) return;
  const std::size_t size = rounded(bytes);
  const std::lock_guard lock(mutex_);
  in_use_ -= size;
  try {
    unused_[size].push_back(block);
  } catch (...) {  // no memory for the list: give the block back instead
    ::operator delete(block, std::align_val_t{kAlignment});
    held_ -= size;
  }
}

MemoryUse MemoryPool::use() const {
  const std::lock_guard lock(mutex_);
  return {in_use_, held_, peak_, system_calls_};
}

void MemoryPool::release_unused() noexcept {
  const std::lock_guard lock(mutex_);
  release_some(held_);
}

// Gives unused blocks back until `needed` bytes fit under the limit, or all are gone.
bool MemoryPool::release_some(std::size_t needed) noexcept {
  for (auto& [size, blocks] : unused_) {
    for (void* block : blocks) {
      ::operator delete(block, std::align_val_t{kAlignment});
      held_ -= size;
    }
    blocks.clear();
  }
  return limit_ == 0 || held_ + needed <= limit_;
}

}  // namespace eddy::inline v0_1
