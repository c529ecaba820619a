#include "base/portable_math.hpp"

#include <cmath>

#include "base/hash.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
const double kNaN = std::numeric_limits<double>::quiet_NaN();

double relative(double a, long double b) { return static_cast<double>(std::abs((static_cast<long double>(a) - b) / b)); }

}  // namespace

TEST_CASE("portable math: exp is right to 4e-16 everywhere, and keeps its limits") {
  double worst = 0;
  for (int i = -70000; i <= 70000; ++i) {
    const double x = i * 0.01013;
    worst = std::max(worst, relative(portable_exp(x), std::exp(static_cast<long double>(x))));
  }
  CHECK(worst < 4e-16);
  CHECK(portable_exp(0) == 1);
  CHECK(portable_exp(-745.1) == std::exp(-745.1));  // the smallest number there is
  CHECK(portable_exp(-kInfinity) == 0);
  CHECK(portable_exp(-1e300) == 0);
  CHECK(portable_exp(709.7) < kInfinity);
  CHECK(portable_exp(kInfinity) == kInfinity);
  CHECK(std::isnan(portable_exp(kNaN)));
}

TEST_CASE("portable math: sine and cosine are right to 3e-16, of large angles to what their float32 is worth") {
  double worst = 0;
  for (int i = -100000; i <= 100000; ++i) {
    const double x = i * 0.0317;
    const SinCos turn = portable_sincos(x);
    worst = std::max({worst, std::abs(turn.sin - static_cast<double>(std::sin(static_cast<long double>(x)))),
                      std::abs(turn.cos - static_cast<double>(std::cos(static_cast<long double>(x))))});
  }
  CHECK(worst < 3e-16);
  CHECK(portable_sincos(999999.0).sin == Approx(std::sin(999999.0)).epsilon(1e-9));
  CHECK(portable_sincos(3e7).sin == Approx(std::sin(3e7)).epsilon(1e-6));
  CHECK(std::isnan(portable_sincos(kInfinity).sin));
  CHECK(std::isnan(portable_sincos(kNaN).cos));
}

TEST_CASE("portable math: erfc is right to 4e-15 where it is above 1, to 2e-13 in its tail, and whole powers are products") {
  double worst = 0, tail = 0;
  for (int i = -6000; i <= 26000; ++i) {
    const double x = i * 0.001;
    const double error = relative(portable_erfc(x), std::erfc(static_cast<long double>(x)));
    (x <= 0 ? worst : tail) = std::max(x <= 0 ? worst : tail, error);
  }
  CHECK(worst < 4e-15);
  CHECK(tail < 2e-13);
  CHECK(portable_erfc(kInfinity) == 0);
  CHECK(portable_erfc(-kInfinity) == 2);
  CHECK(portable_power(0.9, 0) == 1);
  CHECK(portable_power(0.9, 3) == Approx(0.729).epsilon(1e-15));
  CHECK(portable_power(0.999, 1000000) == Approx(std::pow(0.999, 1e6)).epsilon(1e-9));
}

TEST_CASE("portable math: ln is right to 4e-16, and keeps its limits") {
  double worst = 0;
  for (int i = 1; i <= 100000; ++i) {
    const double x = i * 0.000173;
    if (std::abs(x - 1) > 0.01) worst = std::max(worst, relative(portable_log(x), std::log(static_cast<long double>(x))));
  }
  CHECK(worst < 4e-16);
  CHECK(portable_log(1) == 0);
  CHECK(portable_log(5e-324) == Approx(std::log(5e-324)).epsilon(1e-15));
  CHECK(portable_log(0) == -kInfinity);
  CHECK(portable_log(kInfinity) == kInfinity);
  CHECK(std::isnan(portable_log(kNaN)));
  CHECK(std::isnan(portable_log(-1)));
}

// glibc's own differ between CPUs with and without FMA.
TEST_CASE("portable math: the bytes are these on every CPU") {
  std::uint64_t hash = kHashStart;
  const auto take = [&](double value) { hash = fnv1a({reinterpret_cast<const char*>(&value), sizeof value}, hash); };
  for (int i = 1; i <= 5000; ++i) {
    const double x = i * 0.0137;
    const SinCos turn = portable_sincos(x);
    for (const double value : {portable_exp(-x), portable_exp(x), portable_log(x), portable_erfc(x / 8), turn.sin, turn.cos}) take(value);
  }
  CHECK(hash == 0xe65c4e4fdf7d1d47);
}
