// A small hash for names and contents: FNV-1a, 64 bits.
#pragma once

#include <cstdint>
#include <string_view>

namespace eddy::inline v0_1 {

constexpr std::uint64_t kHashStart = 14695981039346656037ull;

constexpr std::uint64_t fnv1a(std::string_view bytes, std::uint64_t hash = kHashStart) noexcept {
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211ull;
  return hash;
}

}  // namespace eddy::inline v0_1
