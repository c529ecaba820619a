// Checks and reports of samplers, and their common steps.
#include "sampler/support.hpp"

#include <cmath>
#include <string>

#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

namespace {

// sigma / alpha as an angle: grows with noise, finite at alpha = 0.
double noisiness(const NoiseLevel& l) { return std::atan2(l.sigma, l.alpha); }

bool valid(const NoiseLevel& l) {
  return std::isfinite(l.t) && std::isfinite(l.alpha) && std::isfinite(l.sigma) && l.alpha >= 0 && l.sigma >= 0 &&
         l.alpha + l.sigma > 0;
}

void check_shape(const char* sampler, const std::string& what, const Tensor& given, const Shape& wanted) {
  const bool fits = given.defined() && given.dtype() == DType::f32 && given.shape() == wanted;
  if (fits) return;
  throw Error(std::string(sampler) + ": " + what + " must be f32 of x's shape " + to_string(wanted) + ", got " +
              (given.defined() ? to_string(given.shape()) : "nothing"));
}

}  // namespace

bool has_no_values(const char* sampler, const Tensor& x) {
  if (!x.defined() || x.dtype() != DType::f32 || x.rank() == 0) {
    throw Error(std::string(sampler) + ": x must be an f32 tensor (N, ...), got " +
                (x.defined() ? to_string(x.shape()) : "nothing"));
  }
  return x.elements() == 0;
}

Prediction predicted(const char* sampler, const Denoiser& denoise, const Tensor& x, std::span<const NoiseLevel> levels) {
  Prediction p = denoise(x, levels);
  check_shape(sampler, "the denoiser's x0", p.x0, x.shape());
  check_shape(sampler, "the denoiser's eps", p.eps, x.shape());
  if (p.variance.defined()) check_shape(sampler, "the denoiser's variance", p.variance, x.shape());
  return p;
}

Tensor predicted_x0(const char* sampler, const Denoiser& denoise, const Tensor& x, std::span<const NoiseLevel> levels) {
  const Prediction p = denoise(x, levels);
  check_shape(sampler, "the denoiser's x0", p.x0, x.shape());
  if (p.eps.defined()) check_shape(sampler, "the denoiser's eps", p.eps, x.shape());
  return p.x0;
}

void check_steps(const char* sampler, std::span<const Step> steps, bool towards_clean) {
  const auto fail = [&](std::size_t i, const char* what) {
    throw Error(std::string(sampler) + ": step " + std::to_string(i) + " " + what);
  };
  if (steps.empty()) throw Error(std::string(sampler) + ": there are no steps");
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& [from, to] = steps[i];
    if (!valid(from) || !valid(to)) fail(i, "has a level that is not finite, or negative");
    const double change = noisiness(to) - noisiness(from);
    if (towards_clean ? change > 1e-12 : change < -1e-12) {
      fail(i, towards_clean ? "does not lead from noisy to clean" : "does not lead from clean to noisy");
    }
  }
}

void report(const char* sampler, const SamplerOptions& options, std::size_t i, std::span<const Step> steps, Tensor& x,
            const std::function<Tensor()>& x0) {
  options.cancel.check();
  for (const float value : x.values()) {
    if (!std::isfinite(value)) {
      throw Error(std::string(sampler) + ": x is not finite after step " + std::to_string(i) +
                  "; the network's output is broken, or clipping is needed");
    }
  }
  if (!options.on_step) return;
  const Shape shape = x.shape();
  options.on_step({i, steps.size(), steps[i].to, x, x0});
  check_shape(sampler, "x after on_step of step " + std::to_string(i), x, shape);
}

NoiseLevel level_of(const char* sampler, const LevelAt& level_at, double wanted) {
  if (!level_at) throw Error(std::string(sampler) + ": needs level_at, because it evaluates between the levels of its steps");
  const NoiseLevel level = level_at(wanted);
  if (!(std::abs(ratio(level) - wanted) <= 1e-4 * wanted)) {
    throw Error(std::string(sampler) + ": level_at must give a level with sigma / alpha = " + std::to_string(wanted) + ", got " +
                std::to_string(ratio(level)));
  }
  return level;
}

double ancestral_deviation(const Step& step) {
  const auto& [from, to] = step;
  if (to.sigma == 0 || from.sigma == 0) return 0;
  const double ratio = from.alpha / to.alpha;
  const double left = from.sigma * from.sigma - ratio * ratio * to.sigma * to.sigma;
  return left > 0 ? to.sigma / from.sigma * std::sqrt(left) : 0;
}

Tensor matching_eps(const Prediction& p, const Tensor& x0, const NoiseLevel& level) {
  if (level.sigma == 0) return p.eps;
  return add(p.eps, combine(level.alpha / level.sigma, p.x0, -level.alpha / level.sigma, x0));
}

Prediction limited(const Prediction& p, const Clip& clip, const NoiseLevel& level) {
  if (clip.kind == Clip::Kind::none) return p;
  const Tensor x0 = clipped(p.x0, clip);
  return {x0, matching_eps(p, x0, level), p.variance};
}

Tensor along(const Tensor& x, const Prediction& p, const Step& step) {
  const double alpha = step.to.alpha - step.from.alpha, sigma = step.to.sigma - step.from.sigma;
  const Tensor moved = combine(1, x, sigma, p.eps);
  return alpha == 0 ? moved : combine(1, moved, alpha, p.x0);
}

}  // namespace eddy::inline v0_1
