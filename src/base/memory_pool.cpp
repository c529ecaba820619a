// Best fit with merging, over regions that the system backs as they are first touched.
#include "base/memory_pool.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <new>
#include <string>

#include "eddy/error.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace eddy::inline v0_1 {

namespace {
constexpr std::size_t kAlignment = 64;
constexpr std::size_t kSmall = std::size_t{1} << 16;        // longer blocks lie in regions of their own kind
constexpr std::size_t kSmallRegion = std::size_t{1} << 22;  // address space; what is not touched costs nothing
constexpr std::size_t kLargeRegion = std::size_t{1} << 24;  // the first; the next are as large as all that is held,
constexpr std::size_t kLargestRegion = std::size_t{1} << 28;  // up to this, or as long as one block

// Large regions lie on huge pages where the system has them.
constexpr std::align_val_t alignment(bool small) { return std::align_val_t{small ? kAlignment : std::size_t{1} << 21}; }

}  // namespace

std::size_t MemoryPool::rounded(std::size_t bytes) noexcept {
  const std::size_t step = bytes <= 4096 ? kAlignment : 512;
  return (bytes + step - 1) / step * step;
}

MemoryPool::~MemoryPool() {
  for (const Region& region : regions_) ::operator delete(region.begin, alignment(region.small));
}

void* MemoryPool::allocate(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  if (bytes > (std::size_t{1} << 62)) throw Error("memory: " + std::to_string(bytes) + " bytes cannot be had");
  const std::size_t size = rounded(bytes);
  const bool small = size <= kSmall;
  const std::lock_guard lock(mutex_);
  std::byte* block = place(size, small);
  if (block == nullptr) {  // again, without what nobody uses
    release();
    block = place(size, small);
  }
  if (block != nullptr) return block;
  if (beyond_limit(size)) {
    throw Error("memory: " + std::to_string(size) + " bytes more would pass the limit of " + std::to_string(limit_) + " (" +
                std::to_string(in_use_) +
                " in use); use smaller batches (--batch-size) or pictures (--size), or raise memory_limit");
  }
  throw Error("memory: the system has no " + std::to_string(size) + " bytes more (" + std::to_string(held_) +
              " held); use smaller batches (--batch-size) or pictures (--size)");
}

bool MemoryPool::beyond_limit(std::size_t more) const noexcept { return limit_ != 0 && held_ + more > limit_; }

// Null when the limit or the system says no.
std::byte* MemoryPool::place(std::size_t size, bool small) {
  try {
    std::byte* block = from_hole(size, small);
    if (block == nullptr) block = from_rest(size, small);
    if (block != nullptr || beyond_limit(size) || !add_region(size, small)) return block;
    return from_rest(size, small);
  } catch (const std::bad_alloc&) {  // of the lists
    return nullptr;
  }
}

// Out of the tightest hole, of equal ones the first. The hole behind the last of a region's large blocks counts as its rest: so
// a step lays them as the first one did, which found no holes there.
std::byte* MemoryPool::from_hole(std::size_t size, bool small) {
  Region* best = nullptr;
  std::map<std::size_t, std::size_t>::iterator tightest;
  for (Region& region : regions_) {
    if (region.small != small) continue;
    for (auto hole = region.holes.begin(); hole != region.holes.end(); ++hole) {
      if (!small && hole->first + hole->second == region.touched) continue;
      if (hole->second < size || (best != nullptr && hole->second >= tightest->second)) continue;
      best = &region;
      tightest = hole;
    }
  }
  return best == nullptr ? nullptr : cut(*best, tightest, size);
}

// The first `size` bytes of a hole.
std::byte* MemoryPool::cut(Region& region, std::map<std::size_t, std::size_t>::iterator at, std::size_t size) noexcept {
  const auto [offset, free] = *at;
  auto hole = region.holes.extract(at);
  if (free > size) {
    hole.key() = offset + size;
    hole.mapped() = free - size;
    region.holes.insert(std::move(hole));
  }
  region.in_use += size;
  in_use_ += size;
  return region.begin + offset;
}

// Behind all that was touched, a hole at its end included.
std::byte* MemoryPool::from_rest(std::size_t size, bool small) {
  for (Region& region : regions_) {
    if (region.small != small) continue;
    std::size_t offset = region.touched;
    const bool hole_last = !region.holes.empty() && region.holes.rbegin()->first + region.holes.rbegin()->second == offset;
    if (hole_last) offset = region.holes.rbegin()->first;
    if (region.size - offset < size) continue;
    if (offset + size <= region.touched) return cut(region, std::prev(region.holes.end()), size);
    std::size_t more = offset + size - region.touched;
    // Some room beyond: a later step that comes to lie a little otherwise finds it here.
    const std::size_t room = region.touched / 8 / kAlignment * kAlignment;
    if (room > more && region.touched + room <= region.size && !beyond_limit(room)) more = room;
    if (beyond_limit(more)) continue;
    const std::size_t rest = region.touched + more - offset - size;
    if (rest > 0) region.holes.emplace(offset + size, rest);  // may throw: nothing has changed before
    if (hole_last) region.holes.erase(offset);
    region.touched += more;
    region.in_use += size;
    in_use_ += size;
    held_ += more;
    peak_ = std::max(peak_, held_);
    ++system_calls_;
    return region.begin + offset;
  }
  return nullptr;
}

bool MemoryPool::add_region(std::size_t size, bool small) {
  const std::size_t wanted = std::max(size, small ? kSmallRegion : std::clamp(held_, kLargeRegion, kLargestRegion));
  regions_.reserve(regions_.size() + 1);  // may throw: nothing has changed before
  for (const std::size_t each : {wanted, size}) {
    void* begin = ::operator new(each, alignment(small), std::nothrow);
    if (begin == nullptr) continue;
#if defined(__linux__)
    if (!small) madvise(begin, each, MADV_HUGEPAGE);
#endif
    regions_.push_back({static_cast<std::byte*>(begin), each, small});
    return true;
  }
  return false;
}

void MemoryPool::free(void* block, std::size_t bytes) noexcept {
  if (block == nullptr) return;
  const std::size_t size = rounded(bytes);
  const std::lock_guard lock(mutex_);
  const auto* at = static_cast<std::byte*>(block);
  const auto region = std::ranges::find_if(
      regions_, [&](const Region& r) { return !std::less<>{}(at, r.begin) && std::less<>{}(at, r.begin + r.size); });
  in_use_ -= size;
  region->in_use -= size;
  const auto offset = static_cast<std::size_t>(at - region->begin);
  auto& holes = region->holes;
  const auto after = holes.lower_bound(offset);
  if (after != holes.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second == offset) {
      before->second += size;
      if (after != holes.end() && after->first == offset + size) {
        before->second += after->second;
        holes.erase(after);
      }
      return;
    }
  }
  if (after != holes.end() && after->first == offset + size) {
    auto hole = holes.extract(after);
    hole.key() = offset;
    hole.mapped() += size;
    holes.insert(std::move(hole));
    return;
  }
  try {
    holes.emplace(offset, size);
  } catch (...) {  // no memory for the entry: the block is lost to the pool until its region goes
  }
}

MemoryUse MemoryPool::use() const {
  const std::lock_guard lock(mutex_);
  return {in_use_, held_, peak_, system_calls_};
}

// Gives back what lies behind the last block; the bytes that this is.
std::size_t MemoryPool::trim(Region& region) noexcept {
  if (region.holes.empty()) return 0;
  const auto last = std::prev(region.holes.end());
  const auto [offset, free] = *last;
  if (offset + free != region.touched) return 0;
#if defined(__linux__)
  constexpr std::uintptr_t kPage = 65536;  // of any Linux
  const auto begin = (reinterpret_cast<std::uintptr_t>(region.begin + offset) + kPage - 1) / kPage * kPage;
  const auto end = reinterpret_cast<std::uintptr_t>(region.begin + region.touched) / kPage * kPage;
  if (end > begin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
#endif
  region.holes.erase(last);
  region.touched = offset;
  return free;
}

void MemoryPool::release_unused() noexcept {
  const std::lock_guard lock(mutex_);
  release();
}

void MemoryPool::release() noexcept {
  std::erase_if(regions_, [&](Region& region) {
    if (region.in_use > 0) {
      held_ -= trim(region);
      return false;
    }
    ::operator delete(region.begin, alignment(region.small));
    held_ -= region.touched;
    return true;
  });
}

}  // namespace eddy::inline v0_1
