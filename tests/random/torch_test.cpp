// What PyTorch draws on the CPU; scripts/make_goldens_torch.py made the numbers.
#include <bit>

#include "eddy/error.hpp"
#include "eddy/random.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace eddy;
using namespace eddy::test;

namespace {

// FNV-1a of 64 bits over the values' bytes, low ones first.
std::int64_t checksum(std::span<const float> values) {
  std::uint64_t h = 0xcbf29ce484222325;
  for (const float v : values) {
    const auto word = std::bit_cast<std::uint32_t>(v);
    for (int shift = 0; shift < 32; shift += 8) h = (h ^ (word >> shift & 0xff)) * 0x100000001b3;
  }
  return static_cast<std::int64_t>(h);
}

std::vector<float> drawn(TorchGenerator& generator, std::int64_t n) {
  std::vector<float> x(static_cast<std::size_t>(n));
  generator.randn(x);
  return x;
}

std::vector<std::uint32_t> words(std::uint64_t seed, std::int64_t n) {
  TorchGenerator generator(seed);
  std::vector<std::uint32_t> result;
  for (const float v : drawn(generator, n)) result.push_back(std::bit_cast<std::uint32_t>(v));
  return result;
}

std::vector<std::uint32_t> part(const std::vector<std::uint32_t>& all, std::ptrdiff_t from, std::ptrdiff_t to) {
  return {all.begin() + from, all.begin() + to};
}

using Words = std::vector<std::uint32_t>;

const Words kSeed0{
    0xbf901b85, 0xbf93808a, 0xbe804bd6, 0xbede255d, 0x3f594515, 0x3f312783, 0xbea1cc6d, 0xc0075fc1, 0x3ea50138, 0xbfa1b4f4,
    0x3eb330ff, 0x3e9dc3bb, 0x3df56f77, 0x3f9e6b93, 0x3f8ef28e, 0xbe7d367c, 0xbfad23c2, 0xbfd91446, 0x3f111004, 0x3f4b235d,
    0x3f194d8b, 0xbfc70d5b, 0xbeaec6ca, 0x3fed2f4e, 0x3f400c6b, 0xbf15e32b, 0xbe318eeb, 0x3e3be1a4, 0x3fb1d6c0, 0x3fcb0d00,
    0x3f72409c, 0xbf57fb33, 0xbf1d13c8, 0x3d016764, 0xbefc4028, 0x3e7e6070, 0x3ee11fd0, 0x3de637d6, 0x3f240af8, 0x3ee1df3c,
    0xbdd187b9, 0x3f4add9c, 0xbe944f53, 0x3d571217, 0x3f05da2f, 0x40135755, 0xbfbc04b7, 0xbfcb189e, 0xbf2c4f9f, 0x3f5f71de,
    0x3f8715f4, 0x3e361caa, 0xbe6bdd10, 0xbec89408, 0x3f0b155d, 0xbeca5217, 0xbee47694, 0x3f3e7824, 0x3fc2af75, 0x405a45ad,
    0xbfc3fdd9, 0xbf9df823, 0x3fe8ecc2, 0xbf0d30fc, 0xbf11ba3e, 0x3f6b833f, 0x3f8e2f39, 0x3fa51a98, 0xbfbd34ce, 0x40244d8b,
    0xbef23cc2, 0x3eabcd4f, 0xbfd08dc1, 0xbf0cbc00, 0xbef5acd6, 0xbeffd642, 0xbf8892d0, 0x3f8eb657, 0xbe100c2c, 0x3f4e45de,
    0xbdbf2d5c, 0x3f2fe286, 0xbf569bd6, 0x3a69c925, 0x3f57865f, 0xbeccd147, 0x3f850d17, 0x3eb75fd8, 0xbe7be7ac, 0x40135c6e,
    0xbff0db31, 0xbd4bae90, 0xbf85c1dc, 0xbf74dd3d, 0x3d0958b4, 0x3f35c83c};

}  // namespace

TEST_CASE("torch.randn: the vectors of seeds 0 and 42, bit for bit") {
  CHECK(words(0, 96) == kSeed0);
  CHECK(part(words(0, 192), 0, 96) == kSeed0);
  CHECK(part(words(0, 75), 0, 59) == part(kSeed0, 0, 59));
  CHECK(part(words(42, 32), 16, 32) ==
        Words{0x3fd23771, 0xbe236d85, 0xbefeaae4, 0x3ee111d8, 0xbf4214e2, 0x3f8a0650, 0x3f4d0144, 0x3fd71e93,
              0x3fa3ba59, 0x3fa5f12f, 0x3f1c4788, 0x3faad8b0, 0xbe6d2eed, 0x3d2b0c00, 0xbe80ce7a, 0x3f5c1fb0});
  CHECK(words(0, 8) ==
        Words{0x3fc53f5c, 0xbe963c50, 0xc00b7149, 0x3f1184b6, 0xbf8ad1a1, 0xbfb3052d, 0x3ece837a, 0x3f5688e5});
  CHECK(words(42, 6) == Words{0x3eac62ae, 0x3e03e69d, 0x3e7016e7, 0x3e6bdc6c, 0xbf8fb9c2, 0xbe3eccd8});
}

TEST_CASE("torch.randn: every length from 1 to 200, alone and one after another; the seed's high bits do not count") {
  const Golden golden("torch");
  const Tensor alone = golden.tensor("randn.alone");
  for (const std::uint64_t seed : {std::uint64_t{0}, (std::uint64_t{1} << 40) + 7}) {
    const Tensor in_turn = golden.tensor("randn.in turn." + std::to_string(seed));
    TorchGenerator generator(seed), low_bits(seed & 0xffffffff);
    for (std::int64_t n = 1; n <= 200; ++n) {
      CHECK(checksum(drawn(generator, n)) == in_turn.integers()[static_cast<std::size_t>(n - 1)]);
      CHECK(checksum(drawn(low_bits, n)) == in_turn.integers()[static_cast<std::size_t>(n - 1)]);
    }
  }
  for (std::int64_t n = 1; n <= 200; ++n) {
    TorchGenerator generator(static_cast<std::uint64_t>(n));
    CHECK(checksum(drawn(generator, n)) == alone.integers()[static_cast<std::size_t>(n - 1)]);
  }
}

TEST_CASE("torch.randn: pictures and latents of the usual sizes") {
  const Golden golden("torch");
  const Tensor shapes = golden.tensor("randn.shapes"), sums = golden.tensor("randn.long");
  for (std::int64_t i = 0; i < sums.extent(0); ++i) {
    std::int64_t n = 1;
    for (const std::int64_t extent : shapes.rows(i, 1).integers()) n *= extent;
    TorchGenerator generator(42);
    CHECK(checksum(drawn(generator, n)) == sums.rows(i, 1).integers()[0]);
  }
}

TEST_CASE("torch noise: with a seed for each sample, each is drawn from its own generator") {
  const Golden golden("torch");
  const std::vector<std::uint64_t> seeds{5, 0, 77};
  const NoiseSource source = torch_cpu_noise(seeds);
  for (std::uint64_t i = 0; i < 3; ++i) {
    const Tensor x = golden.tensor("randn.list." + std::to_string(i));  // (N, C, H, W)
    const Shape shape{3, x.extent(2), x.extent(3), x.extent(1)};
    const Tensor fresh = torch_cpu_noise(seeds).normal(shape, kInitialNoise);
    for (std::int64_t n = 0; n < 3; ++n) {
      const NoiseSource one = torch_cpu_noise({seeds[static_cast<std::size_t>(n)]});
      const Tensor row = one.normal({1, shape[1], shape[2], shape[3]}, kInitialNoise);
      CHECK(std::ranges::equal(row.values(), fresh.rows(n, 1).values()));
      const std::int64_t pixels = shape[1] * shape[2];
      for (std::int64_t k = 0; k < pixels * shape[3]; ++k) {
        const auto at = static_cast<std::size_t>(k % shape[3] * pixels + k / shape[3]);
        CHECK(row.values()[static_cast<std::size_t>(k)] == x.rows(n, 1).values()[at]);
      }
    }
  }
  const Tensor all = source.normal({3, 4, 4, 2}, {kStepNoise, 1});
  CHECK(std::ranges::equal(source.from_row(1).normal({2, 4, 4, 2}, {kStepNoise, 1}).values(), all.rows(1, 2).values()));
  CHECK_THROWS_WITH(source.normal({4, 4}, kInitialNoise), Catch::Contains("made for 3 samples"));
  CHECK_THROWS_AS(torch_cpu_noise(std::vector<std::uint64_t>{}), Error);
}

TEST_CASE("torch.randint and torch.randperm") {
  const Golden golden("torch");
  TorchGenerator generator(9);
  const std::pair<std::int64_t, std::int64_t> ranges[] = {
      {0, 0x7fffffffffffffff}, {0, 10}, {-5, std::int64_t{1} << 40}, {3, 4}, {0, 0x7fffffffffffffff}, {0, std::int64_t{1} << 31}};
  std::vector<std::int64_t> numbers;
  for (const auto& [low, high] : ranges) numbers.push_back(generator.randint(low, high));
  CHECK(std::ranges::equal(numbers, golden.tensor("randint").integers()));
  CHECK(std::ranges::equal(generator.randperm(50), golden.tensor("randperm").integers()));
  CHECK_THROWS_WITH(generator.randint(3, 3), Catch::Contains("high must be above low"));
  CHECK_THROWS_WITH(generator.randperm(-1), Catch::Contains("[0, 2^32 / 20)"));
  CHECK_THROWS_WITH(generator.randperm((std::int64_t{1} << 32) / 20), Catch::Contains("[0, 2^32 / 20)"));
}
