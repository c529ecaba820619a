// Schedules of the learning rate, each a factor over the steps, as diffusers' optimization.py computes them:
//
//   step < warmup:  step / warmup,   else with u = (step - warmup) / (steps - warmup)
//   linear 1 - u;   cosine (1 + cos(2 pi cycles u)) / 2;   restarts (1 + cos(pi (cycles u mod 1))) / 2;
//   polynomial end + (1 - end) (1 - u)^power
//
// Beyond the last step linear and restarts stay at 0 and polynomial at end, while cosine goes on. diffusers gives the end of
// polynomial as a rate, here it is a part of the first rate.
#include "eddy/rate.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/portable_math.hpp"
#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

namespace {

void require(bool holds, const char* schedule, const char* what, double given) {
  if (!holds) throw Error(std::string(schedule) + ": " + what + ", got " + std::to_string(given));
}

double ratio(std::int64_t a, std::int64_t b) {
  return static_cast<double>(a) / static_cast<double>(std::max<std::int64_t>(1, b));
}

double cosine(double turns) { return std::max(0.0, 0.5 * (1 + portable_sincos(6.2831853071795865 * turns).cos)); }

// Warm-up, then factor(u).
template <class Factor>
RateSchedule warmed_up(const char* name, std::int64_t warmup, const Factor& factor) {
  require(warmup >= 0, name, "warmup must be at least 0", static_cast<double>(warmup));
  return [warmup, factor](std::int64_t step, std::int64_t steps) {
    return step < warmup ? ratio(step, warmup) : factor(ratio(step - warmup, steps - warmup));
  };
}

}  // namespace

RateSchedule constant_rate(std::int64_t warmup) {
  return warmed_up("constant_rate", warmup, [](double) { return 1.0; });
}

RateSchedule linear_rate(std::int64_t warmup) {
  return warmed_up("linear_rate", warmup, [](double u) { return std::max(0.0, 1 - u); });
}

RateSchedule cosine_rate(std::int64_t warmup, double cycles) {
  require(cycles >= 0 && std::isfinite(cycles), "cosine_rate", "cycles must be at least 0", cycles);
  return warmed_up("cosine_rate", warmup, [cycles](double u) { return cosine(cycles * u); });
}

RateSchedule cosine_with_restarts_rate(std::int64_t warmup, std::int64_t cycles) {
  const auto count = static_cast<double>(cycles);
  require(cycles >= 1, "cosine_with_restarts_rate", "cycles must be at least 1", count);
  return warmed_up("cosine_with_restarts_rate", warmup,
                   [count](double u) { return u >= 1 ? 0.0 : cosine(std::fmod(count * u, 1.0) / 2); });
}

RateSchedule polynomial_rate(std::int64_t warmup, double power, double end) {
  require(power > 0 && std::isfinite(power), "polynomial_rate", "power must be above 0", power);
  require(end >= 0 && end < 1, "polynomial_rate", "end must be in [0, 1)", end);
  return warmed_up("polynomial_rate", warmup, [power, end](double u) {
    return u >= 1 ? end : end + (1 - end) * portable_exp(power * portable_log(1 - u));
  });
}

RateSchedule piecewise_constant_rate(std::vector<RatePiece> pieces, double last) {
  std::int64_t before = 0;
  const auto check = [](bool holds, const char* what, double given) { require(holds, "piecewise_constant_rate", what, given); };
  for (const RatePiece& piece : pieces) {
    check(piece.end > before, "ends must ascend from above 0", static_cast<double>(piece.end));
    check(piece.factor >= 0 && std::isfinite(piece.factor), "factors must be at least 0", piece.factor);
    before = piece.end;
  }
  check(last >= 0 && std::isfinite(last), "factors must be at least 0", last);
  return [pieces = std::move(pieces), last](std::int64_t step, std::int64_t) {
    const auto piece = std::ranges::find_if(pieces, [step](const RatePiece& p) { return step < p.end; });
    return piece == pieces.end() ? last : piece->factor;
  };
}

}  // namespace eddy::inline v0_1
