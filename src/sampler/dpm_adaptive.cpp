// DPM-Solver-12 and -23: single steps (dpm_solver_step.hpp) of a size that an error estimate chooses [Lu2022, 3.3], with the
// PID controller of k-diffusion.
//
//   low, high = the steps of orders n - 1 and n, delta = max(atol, rtol max(|low|, |low before|))
//   E = |(low - high) / delta|_2 / sqrt(elements);  e = 1 / (E + 1e-8), e_1 and e_2 those of the steps taken before
//   factor = 1 + atan(e^b1 e_1^b2 e_2^b3 - 1),  b = ((p + i + d), -(p + 2 d), d) / n  (n: 1.5 with noise)
//
// h <- factor h; the step is taken (as `high`) when the factor reaches accept_safety. With eta the step ends below its level, and
// noise follows, as in DPM-Solver-fast. Each sample has its own steps, unless batch_coupled; one that has arrived is
// evaluated and ignored.
#include <algorithm>
#include <cmath>
#include <string>

#include "eddy/error.hpp"
#include "sampler/dpm_solver_step.hpp"

namespace eddy::inline v0_1 {

namespace {

const char* const kName = "sample_dpm_adaptive";
constexpr double kArrived = 1e-5;  // in lambda, as k-diffusion

struct Controller {
  double h;
  double b1, b2, b3, safety;
  double inverse[3] = {0, 0, 0};  // e, e_1, e_2
  bool begun = false;
  double lambda = 0;  // where it is
  std::uint64_t taken = 0;

  bool accepts(double error) {
    const double e = 1 / (error + 1e-8);
    if (!begun) std::ranges::fill(inverse, e);
    begun = true;
    inverse[0] = e;
    const double factor = 1 + std::atan(std::pow(inverse[0], b1) * std::pow(inverse[1], b2) * std::pow(inverse[2], b3) - 1);
    h *= factor;
    if (!std::isfinite(h)) throw Error("sample_dpm_adaptive: the controller's factors let the step grow beyond all bounds");
    if (factor < safety) return false;
    inverse[2] = inverse[1];
    inverse[1] = inverse[0];
    return true;
  }
};

double error_of(std::span<const float> low, std::span<const float> high, std::span<const float> before,
                const DpmAdaptiveOptions& o) {
  double sum = 0;
  for (std::size_t i = 0; i < low.size(); ++i) {
    const double l = low[i], b = before[i], delta = std::max(o.atol, o.rtol * std::max(std::abs(l), std::abs(b)));
    const double e = (l - static_cast<double>(high[i])) / delta;
    sum += e * e;
  }
  return std::sqrt(sum / static_cast<double>(low.size()));
}

void check(const DpmAdaptiveOptions& o) {
  if (o.order != 2 && o.order != 3) throw Error("sample_dpm_adaptive: order must be 2 or 3, got " + std::to_string(o.order));
  if (!(o.rtol >= 0 && o.atol > 0 && o.h_init > 0 && o.accept_safety > 0 && o.accept_safety <= 1 && o.most_trials > 0)) {
    throw Error("sample_dpm_adaptive: atol, h_init and most_trials must be positive, rtol not negative, accept_safety in (0, 1]");
  }
  if (!std::isfinite(o.pcoeff + o.icoeff + o.dcoeff)) throw Error("sample_dpm_adaptive: the controller's factors must be finite");
}

// The state of all samples over one Step.
class Run {
 public:
  Run(const Denoiser& denoise, const NoiseSource& noise, const DpmAdaptiveOptions& o, const Tensor& x)
      : denoise_(denoise), noise_(noise), o_(o) {
    const double n = o.eta > 0 ? 1.5 : o.order, p = o.pcoeff, i = o.icoeff, d = o.dcoeff;
    const Controller one{o.h_init, (p + i + d) / n, -(p + 2 * d) / n, d / n, o.accept_safety};
    samples_.assign(o.batch_coupled ? 1 : static_cast<std::size_t>(x.extent(0)), one);
  }

  // y = x / alpha at `begin` -> at `end`, in lambda; x0 of the last trial.
  Tensor cover(Tensor y, double begin, double end, Tensor& x0) {
    before_ = y;
    for (Controller& c : samples_) c.lambda = begin;
    for (int trials = 0; !std::ranges::all_of(samples_, [&](const Controller& c) { return c.lambda >= end - kArrived; });
         ++trials) {
      if (trials == o_.most_trials) {
        throw Error("sample_dpm_adaptive: more than most_trials = " + std::to_string(trials) +
                    " steps of one Step; larger rtol and atol need fewer");
      }
      o_.cancel.check();
      y = trial(y, end, x0);
    }
    return y;
  }

 private:
  Tensor trial(const Tensor& y, double end, Tensor& x0) {
    std::vector<double> at, next, downs, deviations;
    for (const Controller& c : samples_) {
      at.push_back(c.lambda);
      next.push_back(c.lambda >= end - kArrived ? c.lambda : std::min(end, c.lambda + c.h));
      const double from = std::exp(-at.back()), to = std::exp(-next.back());
      const double down = o_.eta > 0 ? std::max(std::exp(-end), ancestral_step(from, to, o_.eta).down) : to;
      downs.push_back(o_.eta > 0 && down < to ? -std::log(down) : next.back());
      deviations.push_back(std::sqrt(std::max(0.0, (to - down) * (to + down))) * o_.s_noise);
    }
    DpmSolverStep step(kName, denoise_, o_, o_.level_at, y, at);
    const Tensor low = step.advanced(o_.order - 1, downs, 1.0 / 3);
    const Tensor high = step.advanced(o_.order, downs, o_.order == 2 ? 1.0 / 2 : 1.0 / 3);
    x0 = step.x0();
    Tensor result = y.clone(), before = before_.clone();
    const std::size_t row = y.values().size() / samples_.size();
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      Controller& c = samples_[i];
      if (c.lambda >= end - kArrived) continue;
      const auto part = [&](const Tensor& t) { return t.values().subspan(i * row, row); };
      const double error = error_of(part(low), part(high), part(before_), o_);
      if (!std::isfinite(error)) {
        throw Error("sample_dpm_adaptive: the error estimate is not finite; the network's output is broken");
      }
      if (!c.accepts(error)) continue;
      std::ranges::copy(part(low), before.mutable_values().begin() + static_cast<std::ptrdiff_t>(i * row));
      std::ranges::copy(part(deviations[i] > 0 ? noisy(high, i, deviations[i]) : high),
                        result.mutable_values().begin() + static_cast<std::ptrdiff_t>(i * row));
      c.lambda = next[i];
      ++c.taken;
    }
    before_ = before;
    return result;
  }

  // `high` with noise in the rows of sample i (all rows when coupled), keyed by how many steps that sample has taken.
  Tensor noisy(const Tensor& high, std::size_t i, double deviation) const {
    const NoiseKey key{kStepNoise, samples_[i].taken};
    if (o_.batch_coupled) return combine(1, high, deviation, noise_.normal(high.shape(), key, high.context()));
    const auto first = static_cast<std::int64_t>(i);
    const Tensor mine = high.rows(first, 1);
    const Tensor sum = combine(1, mine, deviation, noise_.from_row(first).normal(mine.shape(), key, high.context()));
    Tensor result = high.clone();
    std::ranges::copy(sum.values(), result.mutable_values().begin() + static_cast<std::ptrdiff_t>(i * sum.values().size()));
    return result;
  }

  const Denoiser& denoise_;
  const NoiseSource& noise_;
  const DpmAdaptiveOptions& o_;
  std::vector<Controller> samples_;
  Tensor before_;
};

}  // namespace

Tensor sample_dpm_adaptive(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                           const DpmAdaptiveOptions& options) {
  check_stochastic(kName, steps, options);
  check(options);
  if (!(steps.back().to.sigma > 0)) throw Error("sample_dpm_adaptive: the last level must have sigma above 0");
  if (has_no_values(kName, x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  Run run(denoise, noise, options, x);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    Tensor x0;
    const auto& [from, to] = steps[i];
    x = affine(run.cover(affine(x, 1 / from.alpha), -std::log(ratio(from)), -std::log(ratio(to)), x0), to.alpha);
    const auto limited = [&] { return clipped(predicted(kName, denoise, x, {&steps[i].to, 1}).x0, options.clip); };
    report(kName, options, i, steps, x, [&] { return x0.defined() ? x0 : limited(); });  // a Step may need no trial
  }
  return x;
}

}  // namespace eddy::inline v0_1
