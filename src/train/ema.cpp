// How much the average of the weights keeps of itself at update n, as diffusers' EMAModel has it:
//
//   s = n - update_after_step - 1;   0 while s <= 0, then   (1 + s) / (10 + s)   or   1 - (1 + s / inv_gamma)^-power,
//
// limited to [min_decay, decay].
#include <algorithm>
#include <cmath>

#include "base/portable_math.hpp"
#include "eddy/error.hpp"
#include "eddy/train.hpp"

namespace eddy::inline v0_1 {

namespace {

void require(bool holds, const char* what, double given) {
  if (!holds) throw Error(std::string("ema_decay: ") + what + ", got " + std::to_string(given));
}

}  // namespace

double ema_decay(const EmaOptions& o, std::int64_t update) {
  require(o.decay >= 0 && o.decay < 1, "decay must be in [0, 1)", o.decay);
  require(o.min_decay >= 0 && o.min_decay <= o.decay, "min_decay must be in [0, decay]", o.min_decay);
  require(o.update_after_step >= -1, "update_after_step must be at least -1", static_cast<double>(o.update_after_step));
  require(o.power >= 0 && std::isfinite(o.power), "power must be at least 0", o.power);
  require(o.inv_gamma > 0 && std::isfinite(o.inv_gamma), "inv_gamma must be above 0", o.inv_gamma);
  require(o.power > 0 || o.inv_gamma == 1, "inv_gamma needs a power above 0", o.inv_gamma);
  const auto s = static_cast<double>(update - o.update_after_step - 1);
  if (s <= 0) return 0;
  const double warm = o.power > 0 ? 1 - portable_exp(-o.power * portable_log(1 + s / o.inv_gamma)) : (1 + s) / (10 + s);
  return std::max(std::min(warm, o.decay), o.min_decay);
}

}  // namespace eddy::inline v0_1
