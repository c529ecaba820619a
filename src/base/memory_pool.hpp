// Memory of one Context: blocks are kept for reuse, so that a training loop asks the system only in its first step.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <vector>

#include "eddy/context.hpp"

namespace eddy::inline v0_1 {

// Blocks are cut out of large regions, the tightest hole first, and holes grow together again when blocks come back: what
// a step needs at its worst is close to what is held. A region's pages are the system's until a block first lies on them.
class MemoryPool {
 public:
  explicit MemoryPool(std::size_t limit) noexcept : limit_(limit) {}
  ~MemoryPool();
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  // A block of at least `bytes`, 64-byte aligned; null for 0. Throws Error when the limit or the system says no.
  void* allocate(std::size_t bytes);
  // `bytes` as they were asked for.
  void free(void* block, std::size_t bytes) noexcept;

  MemoryUse use() const;
  // Gives back to the system regions without a block, and what lies behind the last block of the others.
  void release_unused() noexcept;

  // What a request is rounded up to.
  static std::size_t rounded(std::size_t bytes) noexcept;

 private:
  struct Region {
    std::byte* begin;
    std::size_t size;
    bool small;                                // its blocks are short ones, which would break up the large holes
    std::size_t in_use = 0;                    // bytes of live blocks
    std::size_t touched = 0;                   // bytes from the beginning on which blocks have lain
    std::map<std::size_t, std::size_t> holes{};  // offset -> bytes, within `touched`; no two touch
  };

  bool beyond_limit(std::size_t more) const noexcept;
  std::byte* place(std::size_t size, bool small);
  std::byte* from_hole(std::size_t size, bool small);
  std::byte* from_rest(std::size_t size, bool small);
  std::byte* cut(Region& region, std::map<std::size_t, std::size_t>::iterator hole, std::size_t size) noexcept;
  bool add_region(std::size_t size, bool small);
  void release() noexcept;
  static std::size_t trim(Region& region) noexcept;

  mutable std::mutex mutex_;
  std::vector<Region> regions_;
  std::size_t limit_;
  std::size_t in_use_ = 0, held_ = 0, peak_ = 0;
  std::uint64_t system_calls_ = 0;
};

// Scratch memory for one call.
class PoolBlock {
 public:
  PoolBlock(const Context& context, std::size_t bytes)
      : context_(context), bytes_(bytes), data_(context.pool().allocate(bytes)) {}
  ~PoolBlock() { context_.pool().free(data_, bytes_); }
  PoolBlock(const PoolBlock&) = delete;
  PoolBlock& operator=(const PoolBlock&) = delete;
  void* data() const noexcept { return data_; }
  float* floats() const noexcept { return static_cast<float*>(data_); }

 private:
  Context context_;
  std::size_t bytes_;
  void* data_;
};

}  // namespace eddy::inline v0_1
