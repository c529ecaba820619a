// numpy's SeedSequence: 32-bit words of entropy mixed into a pool, and words drawn from the pool, as numpy 1.19 and later have it
// (after O'Neill's seed_seq_fe). With a spawn key the entropy is first filled with zeros up to the pool's size, so that
// (entropy, key) is never taken for a longer entropy.
#include <string>

#include "eddy/error.hpp"
#include "eddy/random.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr std::uint32_t kInitA = 0x43b0d7e5, kMultA = 0x931e8875, kInitB = 0x8b51f9dd, kMultB = 0x58f38ded;

// Low words first; 0 is one word.
void append_words(std::vector<std::uint32_t>& words, std::uint64_t value) {
  words.push_back(static_cast<std::uint32_t>(value));
  if (value >> 32 != 0) words.push_back(static_cast<std::uint32_t>(value >> 32));
}

class Hash {
 public:
  Hash(std::uint32_t start, std::uint32_t factor) : constant_(start), factor_(factor) {}
  std::uint32_t operator()(std::uint32_t value) {
    value ^= constant_;
    constant_ *= factor_;
    value *= constant_;
    return value ^ value >> 16;
  }

 private:
  std::uint32_t constant_, factor_;
};

std::uint32_t mix(std::uint32_t x, std::uint32_t y) {
  const std::uint32_t result = 0xca01f9ddu * x - 0x4973f715u * y;
  return result ^ result >> 16;
}

}  // namespace

std::vector<std::uint32_t> seed_sequence(std::uint64_t entropy, std::span<const std::uint64_t> key, int pool_size, int count) {
  if (pool_size < 4 || count < 0) {
    throw Error("seed_sequence: the pool must have at least 4 words, got " + std::to_string(pool_size));
  }
  const auto size = static_cast<std::size_t>(pool_size);
  std::vector<std::uint32_t> words;
  append_words(words, entropy);
  words.resize(size);
  for (const std::uint64_t k : key) append_words(words, k);

  Hash hash(kInitA, kMultA);
  std::vector<std::uint32_t> pool(size);
  for (std::size_t i = 0; i < size; ++i) pool[i] = hash(words[i]);
  for (std::size_t from = 0; from < size; ++from) {
    for (std::size_t to = 0; to < size; ++to) {
      if (to != from) pool[to] = mix(pool[to], hash(pool[from]));
    }
  }
  for (std::size_t from = size; from < words.size(); ++from) {
    for (std::uint32_t& p : pool) p = mix(p, hash(words[from]));
  }

  Hash out(kInitB, kMultB);
  std::vector<std::uint32_t> result;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) result.push_back(out(pool[i % size]));
  return result;
}

}  // namespace eddy::inline v0_1
