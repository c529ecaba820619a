// Lists of sigmas against their formulas and against values of scipy and ComfyUI.
#include <cmath>
#include <limits>

#include "eddy/eddy.hpp"
#include "schedule/beta_distribution.hpp"
#include "support/catch.hpp"

using namespace eddy;

TEST_CASE("sigmas: every list begins at sigma_max, falls, and ends at sigma_min") {
  const auto check = [](const std::vector<double>& s) {
    REQUIRE(s.size() == 12);
    CHECK(s.front() == Approx(80).epsilon(1e-13));
    CHECK(s.back() == Approx(0.002).epsilon(1e-13));
    CHECK(std::ranges::is_sorted(s, std::greater<>()));
  };
  check(karras_sigmas(12, 0.002, 80));
  check(exponential_sigmas(12, 0.002, 80));
  check(polyexponential_sigmas(12, 0.002, 80, 1.5));
  check(beta_sigmas(12, 0.002, 80));
  check(lu_sigmas(12, 0.002, 80));
  check(lu_sigmas(12, 0.002, 80, 3));
}

TEST_CASE("sigmas: karras has the values of its formula, and is linear at rho 1") {
  const auto s = karras_sigmas(18, 0.002, 80);  // the list of the paper's 18 steps
  CHECK(s[1] == Approx(57.58598472124816).epsilon(1e-12));
  CHECK(s[16] == Approx(0.007528019962784078).epsilon(1e-12));
  const auto linear = karras_sigmas(5, 1, 9, 1);
  for (int i = 0; i < 5; ++i) CHECK(linear[static_cast<std::size_t>(i)] == Approx(9 - 2 * i).epsilon(1e-13));
}

TEST_CASE("sigmas: exponential is even in the logarithm, polyexponential at rho 1 and lu at rho 1 are the same") {
  const auto s = exponential_sigmas(9, 0.01, 50), p = polyexponential_sigmas(9, 0.01, 50), l = lu_sigmas(9, 0.01, 50);
  for (std::size_t i = 0; i < 9; ++i) {
    if (i > 0) CHECK(std::log(s[i] / s[i - 1]) == Approx(std::log(0.01 / 50) / 8).epsilon(1e-12));
    CHECK(p[i] == Approx(s[i]).epsilon(1e-12));
    CHECK(l[i] == Approx(s[i]).epsilon(1e-12));
  }
  CHECK(polyexponential_sigmas(3, 0.01, 100, 2)[1] == Approx(0.1).epsilon(1e-12));  // ln: a quarter of the way
  CHECK(lu_sigmas(3, 0.01, 100, 3)[1] == Approx(1).epsilon(1e-12));                 // the middle of a cube root that is odd
}

TEST_CASE("sigmas: quantiles of the beta distribution are scipy's") {
  CHECK(beta_quantile(0.9, 0.6, 0.6) == Approx(0.9604155944112192).epsilon(1e-13));
  CHECK(beta_quantile(0.5, 0.6, 0.6) == Approx(0.5).epsilon(1e-13));
  CHECK(beta_quantile(0.123, 0.6, 0.6) == Approx(0.055662002577497156).epsilon(1e-13));
  CHECK(beta_quantile(1e-5, 0.6, 0.6) == Approx(8.614243295846627e-09).epsilon(1e-12));
  CHECK(beta_quantile(0.9, 2.5, 1.3) == Approx(0.9236430277465746).epsilon(1e-13));
  CHECK(beta_quantile(0.5, 2.5, 1.3) == Approx(0.687809821939156).epsilon(1e-13));
  CHECK(beta_quantile(0.3, 1, 1) == Approx(0.3).epsilon(1e-13));      // uniform
  CHECK(beta_quantile(0.25, 2, 1) == Approx(0.5).epsilon(1e-13));     // x^2
  CHECK(beta_quantile(0.1, 1e4, 1e4) == Approx(0.49546906737197843).epsilon(1e-13));  // the largest shapes
  CHECK(beta_quantile(0.9, 0.5, 1e4) == Approx(0.000135271404637).epsilon(1e-11));
  CHECK(beta_quantile(0, 0.6, 0.6) == 0);
  CHECK(beta_quantile(1, 0.6, 0.6) == 1);
}

TEST_CASE("sigmas: simple takes entries of the table, sgm_uniform leaves out the clean end") {
  const auto table = training_sigmas(linear_schedule(1000));
  CHECK(table.size() == 1000);
  CHECK(table[999] == Approx(157.4).epsilon(1e-3));
  const auto simple = simple_sigmas(3, table);
  CHECK(simple == std::vector<double>{table[999], table[666], table[333]});
  const auto sgm = sgm_uniform_sigmas(4, table);
  CHECK(sgm[0] == table[999]);
  CHECK(sgm[1] == Approx(std::pow(table[749], 0.75) * std::pow(table[750], 0.25)).epsilon(1e-12));  // t = 749.25
  CHECK(sgm[3] > table[249]);
}

TEST_CASE("sigmas: align your steps at ten steps, and between them") {
  const auto ten = ays_sigmas(10);
  CHECK(ten.front() == 14.6146412293);
  CHECK(ten.back() == 0.1515232662);
  CHECK(ays_sigmas(10, AysTable::sdxl)[3] == 2.1811480769);
  CHECK(ays_sigmas(10, AysTable::svd).front() == 700);
  const auto twenty = ays_sigmas(20);
  CHECK(twenty[2] == ten[1]);
  CHECK(twenty[1] == Approx(std::sqrt(ten[0] * ten[1])).epsilon(1e-13));
  CHECK(twenty[19] == Approx(std::sqrt(0.1515232662 * 0.0291671582)).epsilon(1e-13));
}

TEST_CASE("sigmas: wrong arguments are refused with what must hold") {
  CHECK_THROWS_WITH(karras_sigmas(0, 0.1, 1), Catch::Contains("must be positive, got 0"));
  CHECK_THROWS_WITH(exponential_sigmas(3, 2, 1), Catch::Contains("0 < sigma_min <= sigma_max, got 2"));
  CHECK_THROWS_WITH(lu_sigmas(3, 0, 1), Catch::Contains("0 < sigma_min"));
  CHECK_THROWS_WITH(karras_sigmas(3, 1, std::numeric_limits<double>::infinity()), Catch::Contains("0 < sigma_min"));
  CHECK_THROWS_WITH(beta_sigmas(3, 0.1, 1, 0.6, 0), Catch::Contains("a and b must be above 0"));
  CHECK_THROWS_WITH(beta_sigmas(3, 0.1, 1, 10001, 0.6), Catch::Contains("at most 10000, got 10001"));
  CHECK_THROWS_AS(beta_sigmas(3, 0.1, 1, 0.6, 1e5), Error);
  CHECK_THROWS_AS(beta_sigmas(3, 0.1, 1, 0.6, std::nan("")), Error);
  CHECK_THROWS_WITH(karras_sigmas(3, 0.1, 1, 0), Catch::Contains("rho must be above 0"));
  CHECK_THROWS_WITH(simple_sigmas(3, {}), Catch::Contains("at least two"));
  CHECK_THROWS_WITH(ays_sigmas(0), Catch::Contains("must be positive"));
}
