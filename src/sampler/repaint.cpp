// RePaint: the known part of a picture is put in place after every step, and parts of the way are gone again.
//
//   known    x = alpha_s picture + sigma_s z                                       [Lugmayr2022, Eq. 8a]
//   unknown  x = alpha_s x0 + sqrt(sigma_s^2 - c^2) eps + c z                      [Song2021, Eq. 12]; the paper: DDPM's step
//   x_s      = mask known + (1 - mask) unknown                                     [Lugmayr2022, Eq. 8c]
//   back up  x_t = r x_s + sqrt(sigma_t^2 - r^2 sigma_s^2) z,  r = alpha_t / alpha_s   [Lugmayr2022, Alg. 1, line 8]
//
// c is DDIM's deviation for eta [Song2021, Eq. 16]. Not exact: on a Gaussian its mean and variance differ from those given the
// known part by amounts that fall with eta, steps and repetitions.
#include <algorithm>
#include <cmath>
#include <string>

#include "eddy/error.hpp"
#include "sampler/support.hpp"

namespace eddy::inline v0_1 {

namespace {

// (N or 1, ..., C or 1) -> x's shape.
Tensor fitted(const char* what, const Tensor& given, const Tensor& x, bool one_channel) {
  const auto fail = [&] {
    throw Error(std::string("sample_repaint: the ") + what + " must have x's shape; one sample stands for all" +
                (one_channel ? ", one channel too" : ""));
  };
  if (!given.defined() || given.rank() != x.rank()) fail();
  for (int d = 0; d < x.rank(); ++d) {
    const bool free = d == 0 || (one_channel && d == x.rank() - 1);
    if (given.extent(d) != x.extent(d) && !(free && given.extent(d) == 1)) fail();
  }
  if (given.shape() == x.shape()) return given;
  Tensor result = Tensor::uninitialised(x.shape(), DType::f32, x.context());
  const std::span<float> to = result.mutable_values();
  const std::span<const float> from = given.values();
  const std::int64_t repeats = x.extent(-1) / given.extent(-1);
  const auto each = static_cast<std::size_t>(repeats);
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = from[i / each % from.size()];
  return result;
}

bool noisier(const NoiseLevel& a, const NoiseLevel& b) {
  return std::atan2(a.sigma, a.alpha) > std::atan2(b.sigma, b.alpha) + 1e-9;
}

}  // namespace

Tensor sample_repaint(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource& noise,
                      const RepaintOptions& options) {
  check_steps("sample_repaint", steps);
  if (!(options.eta >= 0) || options.eta > 1) {
    throw Error("sample_repaint: eta must be in [0, 1], got " + std::to_string(options.eta));
  }
  if (has_no_values("sample_repaint", x)) return x;
  const Tensor picture = fitted("picture", options.picture, x, false), mask = fitted("mask", options.mask, x, true);
  const Tensor unknown_mask = affine(mask, -1, 1);
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& [from, to] = steps[i];
    if (i > 0 && noisier(from, steps[i - 1].to)) {
      const NoiseLevel& below = steps[i - 1].to;
      const std::vector<Step> up = options.renoise ? options.renoise(below, from) : std::vector{Step{below, from}};
      std::uint32_t draw = 0;
      for (const Step& s : up) x = add_noise_step(x, noise.normal(x.shape(), {kStepNoise, i, ++draw}, x.context()), s.from, s.to);
    }
    const Prediction p = predicted("sample_repaint", denoise, x, {&from, 1});
    const Tensor x0 = clipped(p.x0, options.clip);
    const double c = options.eta == 0 ? 0 : options.eta * ancestral_deviation(steps[i]);  // Eq. 16
    const double direction = std::sqrt(std::max(0.0, to.sigma * to.sigma - c * c));
    Tensor known = affine(picture, to.alpha), unknown = combine(to.alpha, x0, direction, p.eps);
    if (to.sigma > 0) {
      const Tensor z = noise.normal(x.shape(), {kStepNoise, i}, x.context());
      known = combine(1, known, to.sigma, z);
      if (c > 0) unknown = combine(1, unknown, c, z);
    }
    x = add(mul(known, mask), mul(unknown, unknown_mask));
    report("sample_repaint", options, i, steps, x, [&] { return x0; });
  }
  return x;
}

}  // namespace eddy::inline v0_1
