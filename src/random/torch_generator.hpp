// The state of torch's generator on the CPU.
#pragma once

#include <optional>
#include <random>

#include "eddy/random.hpp"

namespace eddy::inline v0_1 {

struct TorchGenerator::State {
  std::mt19937 engine;
  TorchVariant variant;
  std::optional<double> cached;  // the second value of a pair of small draws

  explicit State(std::uint64_t seed, TorchVariant v) : engine(static_cast<std::uint32_t>(seed)), variant(v) {}
  std::uint64_t bits64() {
    const std::uint64_t high = engine();
    return high << 32 | engine();
  }
  float uniform24() { return static_cast<float>(engine() & 0xffffffu) * 0x1p-24f; }
  double uniform53() { return static_cast<double>(bits64() & ((std::uint64_t{1} << 53) - 1)) * 0x1p-53; }
  void transform_block(float* d) const;
  float small_normal();
  void randn(std::span<float> out);
  std::int64_t randint(std::int64_t low, std::int64_t high);
};

}  // namespace eddy::inline v0_1
