// Linear multistep: the predictions of the last steps, interpolated by a polynomial and integrated over the step; on even steps,
// the method of Adams and Bashforth [Crowson2022, sample_lms].
//
//   x' = x + sum_j c_j ((alpha' - alpha) x0_j + (sigma' - sigma) eps_j),   c_j = int_0^1 prod_{k != j} (s - s_k) / (s_j - s_k) ds
//
// s is the share of the way from the step's level to its end, 0 at the first, and s_j < 0 where level j lies on that line: as
// the network sees sigma / alpha alone, any point of its ray will do,
//
//   s_j = (alpha_j sigma - sigma_j alpha) / (sigma_j (alpha' - alpha) - alpha_j (sigma' - sigma)),
//
// which is (sigma_j - sigma) / (sigma' - sigma) both at alpha = 1 and for flow levels. The first steps have lower order.
#include <deque>
#include <string>
#include <vector>

#include "eddy/error.hpp"
#include "sampler/support.hpp"

namespace eddy::inline v0_1 {

namespace {

struct Known {
  NoiseLevel level;
  Prediction p;
};

double place(const NoiseLevel& l, const Step& step) {
  const auto& [from, to] = step;
  return (l.alpha * from.sigma - l.sigma * from.alpha) /
         (l.sigma * (to.alpha - from.alpha) - l.alpha * (to.sigma - from.sigma));
}

// The integral over [0, 1] of the polynomial that is 1 at s[j] and 0 at the others.
double weight(const std::vector<double>& s, std::size_t j) {
  std::vector<double> polynomial{1};  // coefficients of s^0, s^1, ...
  for (std::size_t k = 0; k < s.size(); ++k) {
    if (k == j) continue;
    polynomial.push_back(0);
    for (std::size_t d = polynomial.size(); d-- > 0;) {
      const double lower = d > 0 ? polynomial[d - 1] : 0;
      polynomial[d] = (lower - s[k] * polynomial[d]) / (s[j] - s[k]);
    }
  }
  double sum = 0;
  for (std::size_t d = 0; d < polynomial.size(); ++d) sum += polynomial[d] / static_cast<double>(d + 1);
  return sum;
}

// known.front() is the newest, at the step's own level.
Prediction extrapolated(const std::deque<Known>& known, const Step& step) {
  std::vector<double> places;
  for (const Known& k : known) places.push_back(place(k.level, step));
  Prediction sum;
  for (std::size_t j = 0; j < known.size(); ++j) {
    const double c = weight(places, j);
    const Prediction& p = known[j].p;
    sum = j == 0 ? Prediction{affine(p.x0, c), affine(p.eps, c), {}}
                 : Prediction{combine(1, sum.x0, c, p.x0), combine(1, sum.eps, c, p.eps), {}};
  }
  return sum;
}

bool same_ratio(const NoiseLevel& a, const NoiseLevel& b) { return a.sigma * b.alpha == b.sigma * a.alpha; }

}  // namespace

Tensor sample_lms(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource&, const LmsOptions& options) {
  check_steps("sample_lms", steps);
  if (options.order < 1 || options.order > 4) {
    throw Error("sample_lms: order must be 1 to 4, got " + std::to_string(options.order));
  }
  if (has_no_values("sample_lms", x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  std::deque<Known> known;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const NoiseLevel& from = steps[i].from;
    const Prediction p = limited(predicted("sample_lms", denoise, x, {&from, 1}), options.clip, from);
    if (!known.empty() && same_ratio(known.front().level, from)) known.pop_front();  // a step that led nowhere
    known.push_front({from, p});
    if (known.size() > static_cast<std::size_t>(options.order)) known.pop_back();
    if (!same_ratio(from, steps[i].to)) x = along(x, extrapolated(known, steps[i]), steps[i]);
    report("sample_lms", options, i, steps, x, [&] { return p.x0; });
  }
  return x;
}

}  // namespace eddy::inline v0_1
