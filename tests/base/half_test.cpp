#include "base/half.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "eddy/random.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

// The value of a 16-bit float with so many bits of mantissa, by its definition.
double value_of(std::uint16_t bits, int mantissa_bits) {
  const int exponent_bits = 15 - mantissa_bits, bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = bits >> mantissa_bits & ((1 << exponent_bits) - 1), mantissa = bits & ((1 << mantissa_bits) - 1);
  const double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) {
    return mantissa != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  }
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign * std::ldexp((1 << mantissa_bits) + mantissa, exponent - bias - mantissa_bits);
}

// The nearest 16-bit float, the even one of two: found by bisection over their order.
std::uint16_t nearest(float x, int mantissa_bits) {
  const std::uint16_t sign = std::signbit(x) ? 0x8000 : 0;
  const double magnitude = std::abs(static_cast<double>(x));
  const int infinity = 0x7fff >> mantissa_bits << mantissa_bits;
  int low = 0, high = infinity;  // value(low) <= magnitude < value(high), infinity counting as the next power of two
  const auto value = [&](int bits) {
    if (bits < infinity) return value_of(static_cast<std::uint16_t>(bits), mantissa_bits);
    return 2 * value_of(static_cast<std::uint16_t>(infinity - (1 << mantissa_bits)), mantissa_bits);
  };
  if (magnitude >= value(high)) return static_cast<std::uint16_t>(sign | infinity);
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (value(middle) <= magnitude ? low : high) = middle;
  }
  const double below = magnitude - value(low), above = value(high) - magnitude;
  const int chosen = below < above || (below == above && low % 2 == 0) ? low : high;
  return static_cast<std::uint16_t>(sign | chosen);
}

// All exponents with many mantissas, neighbours of every 16-bit value's middle, and random bits.
std::vector<float> floats(int mantissa_bits) {
  std::vector<float> result{0.0f,
                            -0.0f,
                            std::numeric_limits<float>::max(),
                            std::numeric_limits<float>::denorm_min(),
                            std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity()};
  const int last = (0x7fff >> mantissa_bits << mantissa_bits) - 1;
  for (int bits = 0; bits < last; ++bits) {
    const double a = value_of(static_cast<std::uint16_t>(bits), mantissa_bits);
    const double b = value_of(static_cast<std::uint16_t>(bits + 1), mantissa_bits);
    const float middle = static_cast<float>((a + b) / 2);
    for (const float x : {middle, std::nextafter(middle, 0.0f), std::nextafter(middle, 1e38f)}) result.push_back(x);
  }
  for (std::int64_t i = 0; i < 100000; ++i) {
    const float x = std::bit_cast<float>(keyed_bits(1, {kDropout, 0}, 0, i));
    if (!std::isnan(x)) result.push_back(x);
  }
  return result;
}

}  // namespace

TEST_CASE("half: every f16 and bf16 has the value of its bits, and comes back from it") {
  for (int i = 0; i < 0x10000; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const float f16 = float_from_half(bits), bf16 = float_from_bfloat(bits);
    if (std::isnan(value_of(bits, 10))) {
      REQUIRE(std::isnan(f16));
      REQUIRE(std::isnan(float_from_half(half_from_float(f16))));
    } else {
      REQUIRE(static_cast<double>(f16) == value_of(bits, 10));
      REQUIRE(half_from_float(f16) == bits);
    }
    if (std::isnan(value_of(bits, 7))) {
      REQUIRE(std::isnan(bf16));
      REQUIRE(std::isnan(float_from_bfloat(bfloat_from_float(bf16))));
    } else {
      REQUIRE(static_cast<double>(bf16) == value_of(bits, 7));
      REQUIRE(bfloat_from_float(bf16) == bits);
    }
  }
}

TEST_CASE("half: f32 goes to the nearest f16, the even one of two") {
  for (const float x : floats(10)) {
    if (half_from_float(x) != nearest(x, 10)) FAIL("x = " << x);
    if (half_from_float(-x) != nearest(-x, 10)) FAIL("x = " << -x);
  }
  CHECK(half_from_float(65519.99f) == 0x7bff);
  CHECK(half_from_float(65520.0f) == 0x7c00);
  CHECK(half_from_float(0x1p-25f) == 0);
  CHECK(half_from_float(0x1.8p-25f) == 1);
}

TEST_CASE("half: f32 goes to the nearest bf16, the even one of two") {
  for (const float x : floats(7)) {
    if (bfloat_from_float(x) != nearest(x, 7)) FAIL("x = " << x);
    if (bfloat_from_float(-x) != nearest(-x, 7)) FAIL("x = " << -x);
  }
  CHECK(bfloat_from_float(std::numeric_limits<float>::max()) == 0x7f80);
}

TEST_CASE("half: a NaN stays one, whatever bits it has") {
  for (const std::uint32_t bits : {0x7f800001u, 0x7fc00000u, 0xff800001u, 0x7fffffffu, 0x7f80ffffu}) {
    const float x = std::bit_cast<float>(bits);
    CHECK(std::isnan(float_from_half(half_from_float(x))));
    CHECK(std::isnan(float_from_bfloat(bfloat_from_float(x))));
  }
}
