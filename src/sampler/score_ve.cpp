// Predictor-corrector sampling of the reverse SDE.
//
//   score      g = -eps / sigma
//   corrector  h = 2 (snr |z| / |g|)^2,  x += h g + sqrt(2 h) z                              [Song2021b, G]
//   predictor  y_s = y_t - ((r_t^2 - r_s^2) / r_t) eps + sqrt(r_t^2 - r_s^2) z               [Song2021b, E; G]
//
// with y = x / alpha, r = sigma / alpha: the paper's alpha is 1. Correctors stand before the predictor, at the same level, as
// diffusers has them, and the result is the last predictor's mean. |.| is a norm over a sample, z ~ N(0, I).
#include <cmath>
#include <string>

#include "eddy/error.hpp"
#include "sampler/support.hpp"

namespace eddy::inline v0_1 {

namespace {

std::vector<double> norms(const Tensor& x) {
  std::vector<double> result;
  const std::span<const float> values = x.values();
  const auto row = static_cast<std::size_t>(x.elements() / x.extent(0));
  for (std::size_t first = 0; first < values.size(); first += row) {
    double sum = 0;
    for (const float v : values.subspan(first, row)) sum += static_cast<double>(v) * v;
    result.push_back(std::sqrt(sum));
  }
  return result;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

Tensor corrected(const Tensor& x, const Tensor& eps, double sigma, const Tensor& z, const ScoreVeOptions& options) {
  std::vector<double> of_z = norms(z), of_eps = norms(eps), along, deviation;
  if (options.batch_coupled) {
    of_z.assign(of_z.size(), mean(of_z));
    of_eps.assign(of_eps.size(), mean(of_eps));
  }
  for (std::size_t n = 0; n < of_z.size(); ++n) {
    if (!(of_eps[n] > 0)) throw Error("sample_score_ve: a score of zero has no direction to correct along");
    const double ratio = options.snr * of_z[n] * sigma / of_eps[n], h = 2 * ratio * ratio;
    along.push_back(-h / sigma);
    deviation.push_back(std::sqrt(2 * h));
  }
  const std::vector<double> ones(along.size(), 1.0);
  return combine(ones, combine(ones, x, along, eps), deviation, z);
}

void check(std::span<const Step> steps, const ScoreVeOptions& options) {
  check_steps("sample_score_ve", steps);
  if (!(options.snr > 0)) throw Error("sample_score_ve: snr must be positive, got " + std::to_string(options.snr));
  if (options.correct_steps < 0) throw Error("sample_score_ve: correct_steps must not be negative");
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (!(steps[i].from.sigma > 0 && steps[i].from.alpha > 0 && steps[i].to.alpha > 0)) {
      throw Error("sample_score_ve: step " + std::to_string(i) +
                  " must begin at sigma and alpha above 0 and end at alpha above 0");
    }
  }
}

}  // namespace

Tensor sample_score_ve(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                       const ScoreVeOptions& options) {
  check(steps, options);
  if (has_no_values("sample_score_ve", x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& [from, to] = steps[i];
    for (int k = 1; k <= options.correct_steps; ++k) {
      const Tensor eps = predicted("sample_score_ve", denoise, x, {&from, 1}).eps;
      const Tensor z = noise.normal(x.shape(), {kStepNoise, i, static_cast<std::uint32_t>(k)}, x.context());
      x = corrected(x, eps, from.sigma, z, options);
    }
    const Prediction p = predicted("sample_score_ve", denoise, x, {&from, 1});
    const double r_t = from.sigma / from.alpha, r_s = to.sigma / to.alpha, square = r_t * r_t - r_s * r_s;
    if (options.clip.kind == Clip::Kind::none) {
      x = combine(to.alpha / from.alpha, x, -to.alpha * square / r_t, p.eps);
    } else {  // the same mean by x0: eps = (x - alpha x0) / sigma
      const double kept = (r_s * r_s) / (r_t * r_t);
      x = combine(to.alpha / from.alpha * kept, x, to.alpha * (1 - kept), clipped(p.x0, options.clip));
    }
    if (i + 1 < steps.size()) {
      x = combine(1, x, to.alpha * std::sqrt(square), noise.normal(x.shape(), {kStepNoise, i}, x.context()));
    }
    report("sample_score_ve", options, i, steps, x, [&] { return clipped(p.x0, options.clip); });
  }
  return x;
}

}  // namespace eddy::inline v0_1
