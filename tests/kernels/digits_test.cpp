// Products of digits in AMX's integers: factors that are hard for them, and ways that a pool of many threads takes. What every
// instruction set must do is tested with the operations.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "eddy/autograd.hpp"
#include "eddy/ops.hpp"
#include "eddy/random.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

bool lacks_amx() {
  if (available(Isa::amx)) return false;
  WARN("not tested here: the instruction set amx is not available");
  return true;
}

Context amx(int threads = 2) { return Context(ContextOptions{.isa = Isa::amx, .threads = threads}); }

// Standard normals, element i times 2^(spread u) for u evenly in (-1, 1).
std::vector<float> spread_normals(std::int64_t n, double spread, std::uint32_t number) {
  const NoiseSource source = philox_noise(11);
  const Tensor normals = source.normal({n}, {kUser, number}), exponents = source.normal({n}, {kUser, number + 100});
  std::vector<float> result(normals.values().begin(), normals.values().end());
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i] *= static_cast<float>(std::exp2(spread * std::erf(exponents.values()[i] / std::sqrt(2.0))));
  }
  return result;
}

Tensor tensor(const std::vector<float>& values, const Shape& shape, const Context& context) {
  return Tensor::from(std::span<const float>(values), shape, context);
}

constexpr double kUlp = 0x1p-24;

}  // namespace

TEST_CASE("digits: relative to the lengths of row and column a product is little off", "[kernels][amx]") {
  if (lacks_amx()) return;
  const Context context = amx();
  const double spread = GENERATE(0.0, 4.0, 20.0, 60.0);
  const std::int64_t inner = GENERATE(48, 100, 1000, 5000);
  constexpr std::int64_t kRows = 37, kColumns = 35;
  CAPTURE(spread, inner);
  const std::vector<float> a = spread_normals(kRows * inner, spread, 1), b = spread_normals(kColumns * inner, spread, 2);
  const Tensor y = linear(tensor(a, {kRows, inner}, context), tensor(b, {kColumns, inner}, context));
  double worst = 0, squares = 0;
  for (std::int64_t r = 0; r < kRows; ++r) {
    for (std::int64_t c = 0; c < kColumns; ++c) {
      double sum = 0, rows = 0, columns = 0;
      for (std::int64_t k = 0; k < inner; ++k) {
        const double x = a[static_cast<std::size_t>(r * inner + k)], w = b[static_cast<std::size_t>(c * inner + k)];
        sum += x * w;
        rows += x * x;
        columns += w * w;
      }
      const double value = y.values()[static_cast<std::size_t>(r * kColumns + c)];
      const double off = std::abs(value - sum) / (std::sqrt(rows * columns) * kUlp);
      worst = std::max(worst, off);
      squares += off * off;
    }
  }
  // Measured: 7.2 and 1.4, of multiply-adds 2.7 and 0.32; without a spread and with 1000 inner indices 0.2 and 0.3.
  CHECK(worst < 10);
  CHECK(std::sqrt(squares / (kRows * kColumns)) < 1.8);
}

TEST_CASE("digits: a row is as exact beside large ones as alone", "[kernels][amx]") {
  if (lacks_amx()) return;
  const Context context = amx();
  constexpr std::int64_t kRows = 40, kInner = 130, kColumns = 20;
  std::vector<float> a = spread_normals(kRows * kInner, 0, 3);
  const std::vector<float> b = spread_normals(kColumns * kInner, 0, 4);
  const Tensor weight = tensor(b, {kColumns, kInner}, context);
  const Tensor plain = linear(tensor(a, {kRows, kInner}, context), weight);
  const float scales[] = {1, 0x1p80f, 0x1p-90f, 0x1p10f, 0, 0x1p-60f, 0x1p110f, 1};
  for (std::int64_t r = 0; r < kRows; ++r) {
    for (std::int64_t k = 0; k < kInner; ++k) a[static_cast<std::size_t>(r * kInner + k)] *= scales[r % 8];
  }
  const Tensor y = linear(tensor(a, {kRows, kInner}, context), weight);
  for (std::int64_t i = 0; i < kRows * kColumns; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const float expected = plain.values()[at] * scales[i / kColumns % 8];
    CHECK(std::abs(y.values()[at] - expected) <= 1e-6f * std::abs(expected) + 2e-6f * scales[i / kColumns % 8]);
  }
}

TEST_CASE("digits: what is not finite stays in its row, its column or its tiles", "[kernels][amx]") {
  if (lacks_amx()) return;
  const Context context = amx();
  const float bad = GENERATE(std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                             std::numeric_limits<float>::quiet_NaN());
  constexpr std::int64_t kRows = 20, kInner = 64, kColumns = 33;
  std::vector<float> a = spread_normals(kRows * kInner, 0, 5), b = spread_normals(kColumns * kInner, 0, 6);
  a[3 * kInner + 7] = bad;
  b[17 * kInner + 63] = bad;
  const Tensor y = linear(tensor(a, {kRows, kInner}, context), tensor(b, {kColumns, kInner}, context));
  for (std::int64_t r = 0; r < kRows; ++r) {
    for (std::int64_t c = 0; c < kColumns; ++c) {
      CHECK(std::isfinite(y.values()[static_cast<std::size_t>(r * kColumns + c)]) == (r != 3 && c != 17));
    }
  }
  constexpr std::int64_t kSize = 16, kChannels = 48;
  std::vector<float> x = spread_normals(2 * kSize * kSize * kChannels, 0, 7);
  x[static_cast<std::size_t>((kSize * kSize + 5 * kSize + 5) * kChannels + 9)] = bad;  // pixel (5, 5) of the second picture
  const Tensor weight = tensor(spread_normals(kChannels * kChannels * 9, 0, 8), {kChannels, kChannels, 3, 3}, context);
  const Tensor z = conv2d(tensor(x, {2, kSize, kSize, kChannels}, context), weight, {},
                          {.pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1});
  for (std::int64_t n = 0; n < 2; ++n) {
    for (std::int64_t p = 0; p < kSize * kSize; ++p) {
      const std::int64_t row = p / kSize, column = p % kSize;
      const float value = z.values()[static_cast<std::size_t>((n * kSize * kSize + p) * kChannels)];
      const bool near = n == 1 && std::abs(row - 5) <= 1 && std::abs(column - 5) <= 1;
      const bool same_tile = n == 1 && row / 4 == 1 && column / 4 == 1;
      if (near) CHECK(!std::isfinite(value));
      if (!near && !same_tile) CHECK(std::isfinite(value));
    }
  }
}

TEST_CASE("digits: rows alone, in a batch and on any number of threads have the same bytes", "[kernels][amx]") {
  if (lacks_amx()) return;
  constexpr std::int64_t kRows = 300, kInner = 200, kColumns = 170;
  const std::vector<float> a = spread_normals(kRows * kInner, 2, 9), b = spread_normals(kColumns * kInner, 2, 10);
  std::vector<float> reference;
  for (const int threads : {1, 2, 5}) {
    const Context context = amx(threads);
    const Tensor x = tensor(a, {kRows, kInner}, context), weight = tensor(b, {kColumns, kInner}, context);
    for (const std::int64_t part : {300, 100, 7, 1}) {
      std::vector<float> all;
      for (std::int64_t first = 0; first < kRows; first += part) {
        const Tensor y = linear(x.rows(first, std::min(part, kRows - first)), weight);
        all.insert(all.end(), y.values().begin(), y.values().end());
      }
      if (reference.empty()) reference = all;
      CAPTURE(threads, part);
      CHECK(all == reference);
    }
  }
}

TEST_CASE("digits: rows of two inputs behind each other are rows of one", "[kernels][amx]") {
  if (lacks_amx()) return;
  const Context context = amx();
  constexpr std::int64_t kSize = 13, kPixels = 3 * kSize * kSize, kIn = 64, kOut = 20;
  const std::vector<float> x = spread_normals(kPixels * kIn, 1, 11);
  const Tensor weight = tensor(spread_normals(kOut * kIn, 1, 12), {kOut, kIn, 1, 1}, context);
  const auto part = [&](std::int64_t first, std::int64_t n) {
    std::vector<float> values;
    for (std::int64_t p = 0; p < kPixels; ++p) {
      values.insert(values.end(), x.begin() + p * kIn + first, x.begin() + p * kIn + first + n);
    }
    return tensor(values, {3, kSize, kSize, n}, context);
  };
  const Tensor whole = conv2d(part(0, kIn), weight, {});
  for (const std::int64_t first : {1, 16, 37, 63}) {
    CAPTURE(first);
    CHECK(std::ranges::equal(conv2d(part(0, first), weight, {}, {}, part(first, kIn - first)).values(), whole.values()));
  }
}

TEST_CASE("digits: nothing overflows on the way to a finite product", "[kernels][amx]") {
  if (lacks_amx()) return;
  const Context context = amx();
  const float row = GENERATE(0x1p116f, 0x1p-99f), column = 0x1p17f / row;
  const Tensor y = linear(Tensor::full({3, 1000}, row, context), Tensor::full({40, 1000}, column, context));
  for (const float value : y.values()) CHECK(std::abs(value / 0x1p17f - 1000) < 0.001f);
}

TEST_CASE("digits: sums of as many products as 32 bits hold; more are AVX-512's", "[kernels][amx]") {
  if (lacks_amx()) return;
  const Context context = amx(1), other(ContextOptions{.isa = Isa::avx512, .threads = 1});
  const float large = 8290175.0f / 8355000;  // digits 126, 127, 127 beside a 1
  for (const std::int64_t inner : {32768, 32769, 65536}) {
    for (const float sign : {1.0f, -1.0f}) {
      std::vector<float> a(static_cast<std::size_t>(inner), large), b(static_cast<std::size_t>(inner), sign * large);
      a[0] = b[0] = 1;
      std::vector<float> columns;
      for (int i = 0; i < 20; ++i) columns.insert(columns.end(), b.begin(), b.end());
      const auto all = [&](const Context& c) { return linear(tensor(a, {1, inner}, c), tensor(columns, {20, inner}, c)); };
      const double exact = 1 + sign * static_cast<double>(large) * large * static_cast<double>(inner - 1);
      const Tensor y = all(context);
      if (inner == 32768) {
        for (const float value : y.values()) CHECK(std::abs(value - exact) < 0.02);
      } else {
        CHECK(std::ranges::equal(y.values(), all(other).values()));
      }
    }
  }
}

TEST_CASE("digits: convolutions have the same bytes on any number of threads", "[kernels][amx]") {
  if (lacks_amx()) return;
  const std::int64_t out = GENERATE(48, 80, 200);  // more threads than groups of tiles: each takes some of the channels
  constexpr std::int64_t kSize = 16, kChannels = 66;
  const std::vector<float> x = spread_normals(kSize * kSize * kChannels, 1, 13), w = spread_normals(out * kChannels * 9, 1, 14),
                           seed = spread_normals(kSize * kSize * out, 1, 15);
  std::vector<float> values, slopes;
  for (const int threads : {1, 2, 3, 5, 8}) {
    const Context context = amx(threads);
    const Tensor at = tensor(x, {1, kSize, kSize, kChannels}, context).variable();
    const Tensor y = conv2d(at, tensor(w, {out, kChannels, 3, 3}, context), {},
                            {.pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1});
    const Tensor dx = gradients(y, {at}, tensor(seed, {1, kSize, kSize, out}, context))[0];
    if (threads == 1) {
      values.assign(y.values().begin(), y.values().end());
      slopes.assign(dx.values().begin(), dx.values().end());
    }
    CAPTURE(out, threads);
    CHECK(std::ranges::equal(y.values(), values));
    CHECK(std::ranges::equal(dx.values(), slopes));
  }
}
