// UniPC: a multistep predictor UniP and a corrector UniC of one order more, which uses the evaluation that the next step needs
// anyway.
//
//   r_j = (lambda_j - lambda_s) / h,  D_j = m_j - m_s,  z = h for eps, -h for x0
//   UniP-p   x_t = step of order 1 + scale sum_{j<p} g_j D_j / r_j,   sum_j r_j^i g_j = z phi_{i+2}(z) (i + 1)!,  i = 0 .. p - 2
//   UniC-p   the same with r_p = 1, D_p = m_t - m_s, i up to p - 1                              [Zhao2023, 3.1 and 3.2]
//
// The paper solves for a_j = g_j / B(h), which leaves B(h) without effect, but where one unknown is left takes a = 1/2, to first
// order in h: only there bh1 (B = z) and bh2 (B = e^z - 1) differ. At infinite h, where diffusers' bh1 and eps give NaN, the step
// is the limit of order 1 and is not corrected.
#include <algorithm>
#include <cmath>
#include <string>

#include "eddy/error.hpp"
#include "sampler/exponential.hpp"

namespace eddy::inline v0_1 {

namespace {

// Gauss with pivots; rows hold the right side last.
std::vector<double> solve(std::vector<std::vector<double>> rows) {
  const std::size_t n = rows.size();
  for (std::size_t c = 0; c < n; ++c) {
    std::size_t pivot = c;
    for (std::size_t r = c + 1; r < n; ++r) {
      if (std::abs(rows[r][c]) > std::abs(rows[pivot][c])) pivot = r;
    }
    std::swap(rows[c], rows[pivot]);
    for (std::size_t r = 0; r < n; ++r) {
      if (r == c) continue;
      const double factor = rows[r][c] / rows[c][c];
      for (std::size_t k = c; k <= n; ++k) rows[r][k] -= factor * rows[c][k];
    }
  }
  std::vector<double> result;
  for (std::size_t r = 0; r < n; ++r) result.push_back(rows[r][n] / rows[r][r]);
  return result;
}

// g of the places r.
std::vector<double> unknowns(std::span<const double> r, double z, UnipcB b) {
  if (r.size() == 1) return {(b == UnipcB::bh1 ? z : std::expm1(z)) / 2};
  std::vector<std::vector<double>> rows;
  double factorial = 1;
  for (std::size_t i = 0; i < r.size(); ++i) {
    factorial *= static_cast<double>(i + 1);
    rows.emplace_back();
    for (const double at : r) rows.back().push_back(std::pow(at, static_cast<double>(i)));
    rows.back().push_back(z * phi(static_cast<int>(i) + 2, z) * factorial);
  }
  return solve(std::move(rows));
}

// From x at values[0]'s place by UniP or, with the newest value behind them, UniC.
Tensor unified(const ExponentialStep& step, const Tensor& x, std::vector<Seen> values, std::size_t order, const Seen* newest,
               UnipcB b) {
  if (step.h() == 0) return affine(x, step.of_x());
  values.resize(order);
  if (newest) values.push_back(*newest);
  std::vector<double> r;
  for (std::size_t j = 1; j < values.size(); ++j) r.push_back((values[j].lambda - values[0].lambda) / step.h());
  std::vector<Term> terms{{step.of_x(), x}, {step.weight(1), values[0].m}};
  const std::vector<double> g = r.empty() ? r : unknowns(r, step.argument(), b);
  for (std::size_t j = 0; j < r.size(); ++j) {
    terms.push_back({step.scale() * g[j] / r[j], values[j + 1].m});
    terms[1].factor -= terms.back().factor;
  }
  return sum_of(terms);
}

// What UniC needs of the step before.
struct Last {
  Tensor x, predicted;
  std::size_t order = 0;  // 0: there is nothing to correct
};

bool same_values(const Tensor& a, const Tensor& b) { return a.values().data() == b.values().data(); }

Tensor corrected(const Tensor& x, const Last& last, const ExponentialStep& step, const std::vector<Seen>& values,
                 const Seen& newest, UnipcB b) {
  const Tensor y = unified(step, last.x, values, last.order, &newest, b);
  return same_values(x, last.predicted) ? y : add(y, sub(x, last.predicted));
}

}  // namespace

Tensor sample_unipc(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const UnipcOptions& options) {
  check_steps("sample_unipc", steps);
  if (options.order < 1) throw Error("sample_unipc: order must be at least 1, got " + std::to_string(options.order));
  const auto order = static_cast<std::size_t>(options.order);
  if (has_no_values("sample_unipc", x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  Last last;
  std::vector<Seen> values;  // newest first
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& [from, to] = steps[i];
    const Prediction p = limited(predicted("sample_unipc", denoise, x, {&from, 1}), options.clip, from);
    const Seen now{half_log_snr(from), options.integrand == Integrand::x0 ? p.x0 : p.eps};
    if (last.order > 0 && std::ranges::find(options.uncorrected, options.steps_before + i - 1) == options.uncorrected.end()) {
      const ExponentialStep before(options.integrand, 0, steps[i - 1].from, from);
      x = corrected(x, last, before, values, now, options.b);
    }
    values.insert(values.begin(), now);
    values.resize(std::min(values.size(), order));
    const ExponentialStep step(options.integrand, 0, from, to);
    const std::size_t wanted = options.lower_order_final ? std::min(order, steps.size() - i) : order;
    const int usable = distinct(values, static_cast<int>(wanted));
    last = {x, {}, step.jumps() ? 0 : static_cast<std::size_t>(usable)};
    if (options.predictor) x = options.predictor(p, x, steps[i], i);
    else if (step.jumps()) x = stepped(step, p, {}, {}, {});
    else x = unified(step, x, values, last.order, nullptr, options.b);
    last.predicted = x;
    report("sample_unipc", options, i, steps, x, [&] { return p.x0; });
  }
  return x;
}

}  // namespace eddy::inline v0_1
