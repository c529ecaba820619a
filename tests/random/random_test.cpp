#include <bit>
#include <cmath>
#include <thread>

#include "eddy/error.hpp"
#include "eddy/random.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"

using namespace eddy;

TEST_CASE("philox: the vectors of the reference implementation") {
  using Words = std::array<std::uint32_t, 4>;
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("keyed normals: mean 0, variance 1, kurtosis 3, and another key gives others") {
  std::vector<float> x(100000), y(100000);
  keyed_normals(7, kInitialNoise, 0, x);
  keyed_normals(7, {kStepNoise, 1}, 0, y);
  double sum = 0, squares = 0, fourth = 0, cross = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double v = x[i];
    sum += v, squares += v * v, fourth += v * v * v * v, cross += v * y[i];
  }
  const double n = static_cast<double>(x.size());
  CHECK(std::abs(sum / n) < 0.013);
  CHECK(squares / n == Approx(1).margin(0.018));
  CHECK(fourth / n == Approx(3).margin(0.13));
  CHECK(std::abs(cross / n) < 0.013);
}

TEST_CASE("keyed numbers: what is out of range is refused, not folded into another key") {
  CHECK(keyed_bits(7, {kUser, 0xffffffffu, 0xffffffu}, 0xffffffff, 5) != 0);
  for (const std::int64_t element : {-1, -2, -3, -4, -5}) CHECK_THROWS_AS(keyed_bits(7, kUser, 0, element), Error);
  CHECK_THROWS_AS(keyed_uniform(7, kUser, 0, std::int64_t{1} << 34), Error);
  CHECK_THROWS_AS(keyed_uniform(7, kUser, -1), Error);
  CHECK_THROWS_WITH(keyed_bits(7, static_cast<Purpose>(256 + kUser), 0), Catch::Contains("purpose below 2^8"));
  CHECK_THROWS_AS(keyed_bits(7, {kUser, std::uint64_t{1} << 32}, 0), Error);
  CHECK_THROWS_AS(keyed_bits(7, {kUser, 0, 1u << 24}, 0), Error);
}

TEST_CASE("keyed noise: sample i alone is sample i of any batch") {
  const NoiseSource source = philox_noise(3);
  const Tensor all = source.normal({5, 3, 7}, {kStepNoise, 4});
  for (std::int64_t i = 0; i < 5; ++i) {
    const Tensor one = source.from_sample(i).normal({1, 3, 7}, {kStepNoise, 4});
    CHECK(std::ranges::equal(one.values(), all.rows(i, 1).values()));
  }
}

TEST_CASE("keyed permutation: every number once, another order for another epoch") {
  const auto a = keyed_permutation(1, {kShuffle, 0}, 1000), b = keyed_permutation(1, {kShuffle, 1}, 1000);
  std::vector<bool> seen(1000);
  for (const auto i : a) seen[static_cast<std::size_t>(i)] = true;
  CHECK(std::ranges::count(seen, true) == 1000);
  CHECK(a != b);
  CHECK(a == keyed_permutation(1, {kShuffle, 0}, 1000));
}

namespace {

std::vector<std::uint32_t> bits(std::uint64_t seed, std::size_t n, TorchVariant variant) {
  std::vector<float> x(n);
  TorchGenerator(seed, variant).randn(x);
  std::vector<std::uint32_t> result;
  for (const float v : x) result.push_back(std::bit_cast<std::uint32_t>(v));
  return result;
}

}  // namespace

// Printed by torch 2.13.0 on Linux, x86-64 (a) and arm64 (c).
TEST_CASE("torch.randn: seed 42, both variants, bit for bit") {
  CHECK(bits(42, 16, TorchVariant::a) ==
        std::vector<std::uint32_t>{0x3ff6a529, 0x3fbe5f53, 0x3f669567, 0xc006c0db, 0x3f2dacd5, 0xbf9e0591, 0xbd306786, 0xbfcd65ba,
                                   0xbf408bf0, 0x3fd3095b, 0xbec8f2f6, 0xbfb3a966, 0xbf3a566e, 0xbf0f36d1, 0xbf44d2a0, 0x3f432f9f});
  CHECK(bits(42, 16, TorchVariant::c) ==
        std::vector<std::uint32_t>{0x3ff6a527, 0x3fbe5f54, 0x3f669567, 0xc006c0dd, 0x3f2dacd5, 0xbf9e0592, 0xbd306787, 0xbfcd65ba,
                                   0xbf408bff, 0x3fd3095a, 0xbec8f2f6, 0xbfb3a963, 0xbf3a566d, 0xbf0f36cc, 0xbf44d2a1, 0x3f432f9f});
}

TEST_CASE("torch.randn: seed 0, the tail is drawn again") {
  const auto x = bits(0, 75, TorchVariant::a);
  CHECK(x[0] == 0xbf901b85);
  CHECK(x[15] == 0xbe7d367c);
  CHECK(std::vector<std::uint32_t>(x.begin() + 59, x.end()) ==
        std::vector<std::uint32_t>{0x401857f1, 0xbf9013b7, 0xbea24d93, 0xbf8bd600, 0xbdae7a59, 0xbdbf2d5c, 0x3f2fe286, 0xbf569bd6,
                                   0x3c97715a, 0xbf401bf9, 0x3e3ddb97, 0x3f1f02ec, 0x3f235fde, 0xbe7be7ac, 0x40135c6e, 0xbff0db31});
  CHECK(bits(0, 96, TorchVariant::a)[59] == 0x405a45ad);
}

TEST_CASE("torch.randn: fewer than 16 values take the other path") {
  std::vector<float> x(8);
  TorchGenerator(0).randn(x);
  const double expected[] = {1.5410, -0.2934, -2.1788, 0.5684, -1.0845, -1.3986, 0.4033, 0.8380};
  for (std::size_t i = 0; i < 8; ++i) CHECK(static_cast<double>(x[i]) == Approx(expected[i]).margin(6e-5));
}

TEST_CASE("torch noise: the batch size changes nothing") {
  const NoiseSource whole = torch_cpu_noise(5, 4), parts = torch_cpu_noise(5, 4);
  const Tensor all = whole.normal({4, 3, 5, 2}, kInitialNoise);
  for (std::int64_t i = 0; i < 4; i += 2) {
    const Tensor two = parts.from_sample(i).normal({2, 3, 5, 2}, kInitialNoise);
    CHECK(std::ranges::equal(two.values(), all.rows(i, 2).values()));
  }
}

TEST_CASE("torch noise: keys that are asked again, for other rows, give what they gave; nothing drawn is kept") {
  const Context context(ContextOptions{.threads = 1});
  const NoiseSource source = torch_cpu_noise(5, 4);
  std::vector<Tensor> whole;
  for (std::uint64_t step = 0; step < 3; ++step) whole.push_back(source.normal({4, 3, 5, 2}, {kStepNoise, step}, context));
  for (const std::uint64_t step : {1u, 0u, 2u}) {
    for (std::int64_t i = 0; i < 4; ++i) {
      const Tensor one = source.from_sample(i).normal({1, 3, 5, 2}, {kStepNoise, step}, context);
      CHECK(std::ranges::equal(one.values(), whole[step].rows(i, 1).values()));
    }
  }
  whole.clear();
  const std::int64_t before = test::allocated_bytes();
  for (std::uint64_t step = 0; step < 20; ++step) source.normal({4, 100000}, {kStepNoise, 10 + step}, context);
  CHECK(test::allocated_bytes() - before < 500000);  // of 32 million
  CHECK(context.memory().in_use == 0);
  const Context small(ContextOptions{.threads = 1, .memory_limit = 1 << 20});
  CHECK_THROWS_WITH(source.normal({4, 100000}, {kStepNoise, 50}, small), Catch::Contains("limit of 1048576"));
}

TEST_CASE("torch noise: copies that several threads ask at once agree", "[threads]") {
  const NoiseSource source = torch_cpu_noise(5, 2);
  std::vector<std::vector<Tensor>> drawn(3);
  std::vector<std::thread> threads;
  for (auto& mine : drawn) {
    threads.emplace_back([&mine, copy = source] {
      for (std::uint64_t step = 0; step < 100; ++step) mine.push_back(copy.normal({2, 40}, {kStepNoise, step}));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t step = 0; step < 100; ++step) {
    CHECK(std::ranges::equal(drawn[0][step].values(), drawn[1][step].values()));
    CHECK(std::ranges::equal(drawn[0][step].values(), drawn[2][step].values()));
  }
}

TEST_CASE("permutation: a negative or too large count is an Error") {
  CHECK_THROWS_AS(keyed_permutation(1, {kUser}, -5), Error);
  CHECK_THROWS_AS(keyed_permutation(1, {kUser}, std::int64_t{1} << 32), Error);
}
