// Single steps of DPM-Solver; the equations stand in the header.
#include "sampler/dpm_solver_step.hpp"

#include <algorithm>
#include <cmath>

namespace eddy::inline v0_1 {

namespace {

// (e^h - 1) / h - 1, h / 2 near 0.
double f(double h) { return std::abs(h) < 1e-5 ? h / 2 + h * h / 6 : std::expm1(h) / h - 1; }

Tensor scaled(const Tensor& x, const std::vector<double>& factors) {
  if (std::ranges::all_of(factors, [](double a) { return a == 1; })) return x;
  if (factors.size() == 1) return affine(x, factors[0]);
  return combine(factors, x, std::vector<double>(factors.size()), x);
}

}  // namespace

DpmSolverStep::DpmSolverStep(const char* sampler, const Denoiser& denoise, const StochasticOptions& options,
                             const LevelAt& level_at, Tensor y, std::vector<double> lambdas)
    : sampler_(sampler), denoise_(denoise), options_(options), level_at_(level_at), y_(std::move(y)),
      lambdas_(std::move(lambdas)) {
  eps_ = eps_at(y_, lambdas_, &x0_);
}

std::vector<double> DpmSolverStep::between(std::span<const double> to, double part) const {
  std::vector<double> result;
  for (std::size_t i = 0; i < lambdas_.size(); ++i) result.push_back(lambdas_[i] + part * (to[i] - lambdas_[i]));
  return result;
}

Tensor DpmSolverStep::eps_at(const Tensor& y, std::span<const double> lambdas, Tensor* x0) {
  std::vector<NoiseLevel> levels;
  std::vector<double> alphas, shifts;
  for (const double lambda : lambdas) {
    levels.push_back(level_of(sampler_, level_at_, std::exp(-lambda)));
    alphas.push_back(levels.back().alpha);
    shifts.push_back(levels.back().alpha / levels.back().sigma);
  }
  const Prediction p = predicted(sampler_, denoise_, scaled(y, alphas), levels);
  const Tensor limited = clipped(p.x0, options_.clip);
  if (x0 != nullptr) *x0 = limited;
  if (options_.clip.kind == Clip::Kind::none) return p.eps;
  return add(p.eps, scaled(sub(p.x0, limited), shifts));  // alpha x0 + sigma eps stays
}

template <class F>
Tensor DpmSolverStep::plus(const Tensor& y, std::span<const double> to, double part, const Tensor& z, const F& factor) const {
  std::vector<double> factors;
  for (std::size_t i = 0; i < lambdas_.size(); ++i) {
    const double h = part * (to[i] - lambdas_[i]);
    factors.push_back(factor(h, std::exp(-(lambdas_[i] + h))));
  }
  if (factors.size() == 1) return combine(1, y, factors[0], z);
  return combine(std::vector<double>(factors.size(), 1.0), y, factors, z);
}

Tensor DpmSolverStep::advanced(int order, std::span<const double> to, double r1) {
  const auto first = [](double h, double r) { return -r * std::expm1(h); };
  if (order == 1) return plus(y_, to, 1, eps_, first);
  if (!eps_1_.defined()) eps_1_ = eps_at(plus(y_, to, r1, eps_, first), between(to, r1), nullptr);
  const Tensor difference = sub(eps_1_, eps_);
  if (order == 2) {
    return plus(plus(y_, to, 1, eps_, first), to, 1, difference,
                [&](double h, double r) { return -r / (2 * r1) * std::expm1(h); });
  }
  const double r2 = 2.0 / 3, ratio_of_parts = r2 / r1;
  const Tensor u2 = plus(plus(y_, to, r2, eps_, first), to, r2, difference,
                         [&](double h, double r) { return -r * ratio_of_parts * f(h); });
  const Tensor eps_2 = eps_at(u2, between(to, r2), nullptr);
  return plus(plus(y_, to, 1, eps_, first), to, 1, sub(eps_2, eps_), [&](double h, double r) { return -r / r2 * f(h); });
}

}  // namespace eddy::inline v0_1
