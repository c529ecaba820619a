// Brownian paths: torchsde's tree bit for bit, and our own; scripts/make_goldens_torch.py made the numbers.
#include <bit>
#include <cmath>

#include "eddy/error.hpp"
#include "eddy/random.hpp"
#include "io/json.hpp"
#include "support/allocations.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace eddy;
using namespace eddy::test;

namespace {

double product_mean(const Tensor& a, const Tensor& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.values().size(); ++i) sum += static_cast<double>(a.values()[i]) * b.values()[i];
  return sum / static_cast<double>(a.values().size());
}

BrownianKey between(double from, double to) { return {kStepNoise, from, to, 0.01, 100}; }

}  // namespace

TEST_CASE("seed sequence: numpy's words for a pool of 24") {
  const Golden golden("torch");
  const Json cases = Json::parse(golden.file().metadata().at("sequences"));
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Tensor expected = golden.tensor("sequence." + std::to_string(i));
    const auto key = cases[i][1].get<std::vector<std::uint64_t>>();
    const auto words = seed_sequence(cases[i][0], key, 24, static_cast<int>(expected.elements()));
    CHECK(std::ranges::equal(words, expected.integers(), [](std::uint32_t a, std::int64_t b) { return a == b; }));
  }
  CHECK_THROWS_AS(seed_sequence(1, {}, 3, 1), Error);
}

TEST_CASE("Brownian tree: torchsde's increments, bit for bit, whatever was asked before") {
  const Golden golden("torch");
  const Json trees = Json::parse(golden.file().metadata().at("trees"));
  for (const auto& [name, json] : trees.items()) {
    const Tensor expected = golden.tensor("tree." + name), questions = golden.tensor("tree." + name + ".of");
    const TorchBrownianTree tree(json[0], json[1], json[2]);
    const auto level = [&](std::int64_t i) { return std::bit_cast<double>(questions.integers()[static_cast<std::size_t>(i)]); };
    for (std::int64_t i = expected.extent(0) - 1; i >= 0; --i) {
      const Tensor row = expected.rows(i, 1);
      std::vector<float> w(row.values().size()), back(w.size());
      tree.increment(level(2 * i), level(2 * i + 1), w);
      CHECK(std::ranges::equal(w, row.values()));
      tree.increment(level(2 * i + 1), level(2 * i), back);
      CHECK(std::ranges::equal(back, w, {}, {}, [](float v) { return -v; }));
    }
  }
}

TEST_CASE("Brownian tree: long increments, and memory that does not grow with them") {
  constexpr double low = 0.5, high = 8.5, middle = 4.5;
  const TorchBrownianTree tree(11, low, high);
  const auto normals = [&](std::vector<std::uint64_t> place, std::size_t n) {
    std::vector<float> z(n);
    TorchGenerator(seed_sequence(11, place, 24, 1)[0]).randn(z);
    return z;
  };
  for (const std::size_t n : {4096, 8191, 8192, 8207, 20011}) {  // in pieces, the last of any length
    const std::vector<float> of_all = normals({}, n), of_half = normals({0, 0}, n);
    std::vector<float> half(n), w(n), other(n);
    for (std::size_t i = 0; i < n; ++i) {
      const float all = of_all[i] * static_cast<float>(std::sqrt(high - low));
      half[i] = 4.0f * all * 0.125f + static_cast<float>(std::sqrt(4 * 4 * 0.125)) * of_half[i];
      other[i] = all - half[i];
    }
    tree.increment(low, middle, w);
    CHECK(w == half);
    tree.increment(middle, high, w);
    CHECK(w == other);
  }
  if (!counts_allocations()) return;
  std::vector<float> w(1 << 18);  // 1 MiB
  for (const auto& [from, to] : {std::pair{0.6, 8.4}, std::pair{8.1, 8.2}}) {
    const FailingAllocation failing(512 << 10);
    CHECK_NOTHROW(tree.increment(from, to, w));
  }
}

TEST_CASE("Brownian tree: wrong ends are refused") {
  CHECK_THROWS_WITH(TorchBrownianTree(1, 2, 2), Catch::Contains("0 <= low < high"));
  CHECK_THROWS_AS(TorchBrownianTree(1, -1, 2), Error);
  CHECK_THROWS_AS(TorchBrownianTree(1, 1, 1.0000001), Error);
  CHECK_THROWS_AS(TorchBrownianTree(1, 0, 1e10), Error);
  std::vector<float> w(3, 7.0f);
  CHECK_THROWS_AS(TorchBrownianTree(1, 0, 1).increment(std::nan(""), 1, w), Error);
  TorchBrownianTree(1, 0, 1).increment(1, 5, w);
  CHECK(w == std::vector<float>(3));
}

TEST_CASE("torch noise: the Brownian noise of diffusers and k-diffusion after torch.manual_seed, and with a seed of its own") {
  const Golden golden("torch");
  const std::vector<double> sigmas{14.61464691162109375, 6.5, 2.125, 0.75, 0.02916753850877285};
  const Shape shape{3, 4, 4, 2};
  for (const bool own : {false, true}) {
    const NoiseSource source = torch_cpu_noise(8, 3);
    source.normal(shape, kInitialNoise);
    const Tensor expected = golden.tensor(own ? "sampler.own" : "sampler.global");  // (steps, N, C, H, W)
    for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
      BrownianKey key{{kStepNoise, i}, sigmas[i], sigmas[i + 1], sigmas.back(), sigmas.front()};
      if (own) key.seed = 21;
      const Tensor all = source.brownian(shape, key), last = source.from_sample(2).brownian({1, 4, 4, 2}, key);
      CHECK(std::ranges::equal(last.values(), all.rows(2, 1).values()));
      const Tensor step = expected.rows(static_cast<std::int64_t>(i), 1);
      for (std::size_t k = 0; k < 96; ++k) {
        CHECK(all.values()[k] == Approx(step.values()[k / 32 * 32 + k % 2 * 16 + k % 32 / 2]).epsilon(2e-7).margin(0));
      }
    }
  }
}

TEST_CASE("torch noise: with a seed for each sample, each has a tree of its own") {
  const NoiseSource both = torch_cpu_noise({5, 6}), one = torch_cpu_noise({6});
  const BrownianKey key{kStepNoise, 2, 1, 0.1, 10};
  const Tensor all = both.brownian({2, 3}, key);
  CHECK(std::ranges::equal(all.rows(1, 1).values(), one.brownian({1, 3}, key).values()));
  CHECK(!std::ranges::equal(all.rows(1, 1).values(), all.rows(0, 1).values()));
}

TEST_CASE("Brownian noise: standard, consistent over any grid, independent where intervals are disjoint") {
  const NoiseSource source = philox_noise(3);
  const Shape shape{1, 40000};
  const Tensor whole = source.brownian(shape, between(14.6, 0.3));
  std::vector<double> sigmas{14.6, 9, 8, 7.75, 3.3, 3.2999, 1, 0.3};
  std::vector<double> sum(40000);
  Tensor before;
  for (std::size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const Tensor z = source.brownian(shape, between(sigmas[i], sigmas[i + 1]));
    const double root = std::sqrt(sigmas[i] - sigmas[i + 1]);
    for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += root * static_cast<double>(z.values()[k]);
    CHECK(product_mean(z, z) == Approx(1).margin(0.036));  // five deviations
    if (before.defined()) CHECK(std::abs(product_mean(z, before)) < 0.025);
    before = z;
  }
  double worst = 0;
  for (std::size_t k = 0; k < sum.size(); ++k) {
    worst = std::max(worst, std::abs(sum[k] / std::sqrt(14.3) - static_cast<double>(whole.values()[k])));
  }
  CHECK(worst < 2e-3);  // levels are rounded by 2^-21 of their size: sqrt(2^-21 14.6 / 14.3) times a normal
  const Tensor overlapping = source.brownian(shape, between(8, 4)), inner = source.brownian(shape, between(8, 7));
  CHECK(product_mean(overlapping, inner) == Approx(0.5).margin(0.028));  // sqrt(1 / 4)
  CHECK(product_mean(overlapping, source.brownian(shape, between(4, 8))) == Approx(-1).margin(0.036));
}

TEST_CASE("Brownian noise: sample i alone is sample i of any batch; the seed and the key's own seed count") {
  const NoiseSource source = philox_noise(3);
  BrownianKey key = between(5, 2);
  const Tensor all = source.brownian({4, 3, 7}, key);
  for (std::int64_t i = 0; i < 4; ++i) {
    CHECK(std::ranges::equal(source.from_sample(i).brownian({1, 3, 7}, key).values(), all.rows(i, 1).values()));
  }
  CHECK(!std::ranges::equal(philox_noise(4).brownian({4, 3, 7}, key).values(), all.values()));
  key.seed = 4;
  const Tensor other = philox_noise(4).brownian({4, 3, 7}, between(5, 2));
  CHECK(std::ranges::equal(source.brownian({4, 3, 7}, key).values(), other.values()));
}

TEST_CASE("Brownian noise: levels that are one, negative or not finite are refused") {
  for (const NoiseSource& source : {philox_noise(3), torch_cpu_noise(3, 1)}) {
    CHECK_THROWS_WITH(source.brownian({1, 3}, between(5, 5)), Catch::Contains("two levels"));
    CHECK_THROWS_WITH(source.brownian({1, 3}, between(-1, 5)), Catch::Contains("not negative"));
    CHECK_THROWS_AS(source.brownian({1, 3}, between(std::nan(""), 5)), Error);
  }
}
