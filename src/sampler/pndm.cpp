// PNDM: pseudo-numerical methods for diffusion models.
//
//   phi(x, e; t -> s) = alpha_s x0 + sigma_s eps,  x0, eps of the output e at level t        [Liu2022, 3]
//   PRK   e1 at t, e2 and e3 at the middle, e4 at s;  e = (e1 + 2 e2 + 2 e3 + e4) / 6        [Liu2022, 3]
//   PLMS  e = (55 e_t - 59 e_{t+1} + 37 e_{t+2} - 9 e_{t+3}) / 24                            [Liu2022, 3]
//
// Three steps of PRK and then PLMS; or one of Heun, e = (e1 + e at s) / 2, and PLMS of growing order, as latent diffusion has
// it. The outputs e are the network's own, velocities too: a velocity becomes eps only with the x that a step begins at.
#include <cmath>
#include <string>

#include "eddy/error.hpp"
#include "sampler/adams_bashforth.hpp"
#include "sampler/support.hpp"

namespace eddy::inline v0_1 {

namespace {

class Pndm {
 public:
  Pndm(const Denoiser& denoise, const PndmOptions& options) : denoise_(denoise), options_(options) {}

  // The raw output at a level.
  Tensor output(const Tensor& x, const NoiseLevel& level) const {
    const Prediction p = predicted("sample_pndm", denoise_, x, {&level, 1});
    if (options_.raw == Raw::eps) return p.eps;
    const double k = std::hypot(level.alpha, level.sigma);
    return combine(level.alpha / k, p.eps, -level.sigma / k, p.x0);
  }

  // x0 and eps that an output stands for at a level.
  Prediction prediction(const Tensor& x, const Tensor& e, const NoiseLevel& level) const {
    if (options_.raw == Raw::eps) return {combine(1 / level.alpha, x, -level.sigma / level.alpha, e), e, {}};
    const double k = std::hypot(level.alpha, level.sigma), a = level.alpha / k, s = level.sigma / k;
    return {combine(a / k, x, -s, e), combine(s / k, x, a, e), {}};
  }

  Tensor moved(const Tensor& x, const Tensor& e, const Step& step) const {
    const auto& [from, to] = step;
    if (options_.raw == Raw::eps && options_.clip.kind == Clip::Kind::none) {  // no sum of large terms that cancel
      return combine(to.alpha / from.alpha, x, to.sigma - to.alpha * from.sigma / from.alpha, e);
    }
    const Prediction p = prediction(x, e, from);
    return combine(to.alpha, clipped(p.x0, options_.clip), to.sigma, p.eps);
  }

  Tensor runge_kutta(const Tensor& x, const Step& step) {
    const std::vector<Step> halves = options_.stages(step);
    if (halves.size() != 2) {
      throw Error("sample_pndm: a step of Runge and Kutta has two stages, got " + std::to_string(halves.size()));
    }
    past_.add(output(x, step.from));
    const Tensor& e1 = past_.latest();
    const Tensor e2 = output(moved(x, e1, halves[0]), halves[0].to);
    const Tensor e3 = output(moved(x, e2, halves[1]), halves[1].to);
    const Tensor e4 = output(moved(x, e3, step), step.to);
    return combine(1, combine(1.0 / 6, e1, 1.0 / 3, e2), 1, combine(1.0 / 3, e3, 1.0 / 6, e4));
  }

  Tensor heun(const Tensor& x, const Step& step) {
    const std::vector<Step> whole = options_.stages ? options_.stages(step) : std::vector{step};
    if (whole.size() != 1) throw Error("sample_pndm: a step of Heun has one stage, got " + std::to_string(whole.size()));
    past_.add(output(x, step.from));
    const Tensor end = output(moved(x, past_.latest(), whole[0]), whole[0].to);
    return combine(0.5, past_.latest(), 0.5, end);
  }

  Tensor multistep(const Tensor& x, const Step& step) {
    past_.add(output(x, step.from));
    return past_.combined();
  }

 private:
  const Denoiser& denoise_;
  const PndmOptions& options_;
  AdamsBashforth past_;
};

void check(std::span<const Step> steps, const PndmOptions& options) {
  check_steps("sample_pndm", steps);
  if (options.runge_kutta && steps.size() < 4) {
    throw Error("sample_pndm: with runge_kutta there must be at least 4 steps, got " + std::to_string(steps.size()));
  }
  if (options.runge_kutta && !options.stages) {
    throw Error("sample_pndm: runge_kutta needs the option stages, the middles of its steps");
  }
  for (std::size_t i = 0; options.raw == Raw::eps && i < steps.size(); ++i) {
    if (steps[i].from.alpha > 0) continue;
    throw Error("sample_pndm: step " + std::to_string(i) + " begins at alpha = 0, where eps says nothing of x0");
  }
}

}  // namespace

Tensor sample_pndm(const Denoiser& denoise, Tensor x, std::span<const Step> steps, const NoiseSource&,
                   const PndmOptions& options) {
  check(steps, options);
  if (has_no_values("sample_pndm", x)) return x;
  const NoGrad no_grad;
  const CancelScope cancel(options.cancel);
  Pndm method(denoise, options);
  const bool heun = !options.runge_kutta && steps.size() > 1;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    const Tensor begin = x;
    const Tensor e = options.runge_kutta && i < 3 ? method.runge_kutta(x, step)
                     : heun && i == 0             ? method.heun(x, step)
                                                  : method.multistep(x, step);
    x = method.moved(begin, e, step);
    const auto x0 = [&] { return clipped(method.prediction(begin, e, step.from).x0, options.clip); };
    report("sample_pndm", options, i, steps, x, x0);
  }
  return x;
}

}  // namespace eddy::inline v0_1
