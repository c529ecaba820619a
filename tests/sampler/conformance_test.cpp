// The numbers that diffusers' own tests of its schedulers hold: model(x, t) = x t / (t + 1), ten steps unless said.
#include <cmath>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"

using namespace eddy;
using namespace eddy::test;

namespace {

DdimOptions clipping() {
  DdimOptions options;
  options.clip = {Clip::Kind::range, 1};
  return options;
}

Tensor ddim(const Schedule& schedule, Denoiser denoise, bool alpha_to_one) {
  const std::vector<Step> steps = ddim_steps(schedule, 10, Spacing::leading, 0, alpha_to_one);
  return sample_ddim(denoise, counted(), steps, philox_noise(0), clipping());
}

}  // namespace

TEST_CASE("ddim: the numbers of diffusers' tests") {
  const Schedule schedule = Schedule::diffusers(linear_betas(1000), false);
  check_counted(ddim(schedule, from_eps(counted_model), true), 172.0067, 0.223967);
  check_counted(ddim(schedule, from_v(counted_model), true), 52.5302, 0.0684);
  const Schedule stronger = Schedule::diffusers(linear_betas(1000, 0.01, 0.02), false);
  check_counted(ddim(stronger, from_eps(counted_model), true), 149.8295, 0.1951);
  check_counted(ddim(stronger, from_eps(counted_model), false), 149.0784, 0.1941);
}

TEST_CASE("ddim: noise added at the ninth step from the end, then eight steps") {
  const Schedule schedule = Schedule::diffusers(linear_betas(1000), false);
  const auto steps = ddim_steps(schedule, 10, Spacing::leading);
  const std::span<const Step> last = std::span(steps).subspan(8);
  const Tensor x = add_noise(counted(false), counted(true), std::vector{last[0].from});
  check_counted(sample_ddim(from_eps(counted_model), x, last, philox_noise(0), clipping()), 354.5418, 0.4616);
}

TEST_CASE("ddim: the numbers of diffusers' tests of its inversion") {
  const auto invert = [](const Schedule& schedule, Denoiser denoise, bool alpha_to_one) {
    return invert_ddim(denoise, counted(false), ddim_inversion_steps(schedule, 10, Spacing::leading, 0, alpha_to_one), clipping());
  };
  const Schedule schedule = Schedule::diffusers(linear_betas(1000), false);
  check_counted(invert(schedule, from_eps(counted_model), true), 671.6816, 0.8746);
  check_counted(invert(schedule, from_v(counted_model), true), 1394.2185, 1.8154);
  const Schedule stronger = Schedule::diffusers(linear_betas(1000, 0.01, 0.02), false);
  check_counted(invert(stronger, from_eps(counted_model), true), 539.9622, 0.7031);
  check_counted(invert(stronger, from_eps(counted_model), false), 542.6722, 0.7066);
}

TEST_CASE("ddpm: the numbers of diffusers' tests, with torch's noise") {
  const Schedule schedule = Schedule::diffusers(linear_betas(1000), false);
  const auto steps = ddpm_steps(schedule, 1000, Spacing::leading);
  DdpmOptions options;
  options.clip = {Clip::Kind::range, 1};
  check_counted(sample_ddpm(from_eps(counted_model), counted(false), steps, torch_cpu_noise(0, 4), options), 258.9606, 0.3372);
  check_counted(sample_ddpm(from_v(counted_model), counted(false), steps, torch_cpu_noise(0, 4), options), 202.0296, 0.2631);
}

TEST_CASE("ddim: eta 0 ignores the noise, eta 1 does not") {
  const Schedule schedule = linear_schedule(1000);
  const auto steps = ddim_steps(schedule, 10, Spacing::trailing);
  const auto run = [&](double eta, std::uint64_t seed) {
    DdimOptions options;
    options.eta = eta;
    return sample_ddim(from_v(counted_model), counted(false), steps, philox_noise(seed), options);
  };
  CHECK(std::ranges::equal(run(0, 1).values(), run(0, 2).values()));
  CHECK(!std::ranges::equal(run(1, 1).values(), run(1, 2).values()));
}

TEST_CASE("samplers: wrong steps are refused, a cancelled call throws, a callback may replace x") {
  const Schedule schedule = linear_schedule(1000);
  auto steps = ddim_steps(schedule, 10, Spacing::trailing);
  DdimOptions options;
  options.on_step = [](const StepReport& r) {
    if (r.step + 1 == r.steps) r.x = Tensor::full(r.x.shape(), 3);
  };
  CHECK(sample_ddim(from_v(counted_model), counted(false), steps, philox_noise(0), options).values()[5] == 3);
  options.cancel.cancel();
  CHECK_THROWS_AS(sample_ddim(from_v(counted_model), counted(false), steps, philox_noise(0), options), Cancelled);
  CHECK_THROWS_AS(sample_ddim(from_v(counted_model), counted(false), {}, philox_noise(0)), Error);
  std::ranges::reverse(steps);
  for (Step& step : steps) std::swap(step.from, step.to);
  CHECK_THROWS_AS(sample_ddim(from_v(counted_model), counted(false), steps, philox_noise(0)), Error);
}

TEST_CASE("ddim: inversion leads back") {
  const Schedule schedule = cosine_schedule(1000);
  const auto forward = steps(trailing_levels(schedule, 1000));
  std::vector<Step> back;
  for (auto i = forward.rbegin(); i != forward.rend(); ++i) back.push_back({i->to, i->from});
  // The exact denoiser of data N(0, 0.25): x0 = alpha s x / (alpha^2 s + sigma^2).
  const Denoiser gaussian = [](const Tensor& x, std::span<const NoiseLevel> l) -> Prediction {
    const double d = l[0].alpha * l[0].alpha * 0.25 + l[0].sigma * l[0].sigma;
    return {affine(x, l[0].alpha * 0.25 / d), affine(x, l[0].sigma / d)};
  };
  const Tensor x = affine(counted(false), 0.5);
  const Tensor noisy = invert_ddim(gaussian, x, back);
  const Tensor again = sample_ddim(gaussian, noisy, forward, philox_noise(0));
  double worst = 0;
  for (std::size_t i = 0; i < 768; ++i) worst = std::max(worst, std::abs(static_cast<double>(again.values()[i] - x.values()[i])));
  CHECK(worst < 5e-3);
}
