// The numbers that diffusers' own tests of its schedulers hold: model(x, t) = x t / (t + 1), ten steps unless said.
#include <cmath>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

Tensor counted(bool reversed) {  // arange(768) / 768 as (3, 8, 8, 4), permuted to (4, 3, 8, 8); here (4, 8, 8, 3)
  Tensor x = Tensor::uninitialised({4, 8, 8, 3});
  for (int n = 0; n < 4; ++n) {
    for (int c = 0; c < 3; ++c) {
      for (int p = 0; p < 64; ++p) {
        const int i = (c * 64 + p) * 4 + n;
        x.mutable_values()[static_cast<std::size_t>((n * 64 + p) * 3 + c)] = static_cast<float>(reversed ? 767 - i : i) / 768.0f;
      }
    }
  }
  return x;
}

Tensor model(const Tensor& x, const Tensor& t, const Condition&) {
  const double time = static_cast<double>(t.values()[0]);
  return affine(x, time / (time + 1));
}

DdimOptions clipping() {
  DdimOptions options;
  options.clip = {Clip::Kind::range, 1};
  return options;
}

void check(const Tensor& x, double expected_sum, double expected_mean) {
  double sum = 0;
  for (const float v : x.values()) sum += std::abs(static_cast<double>(v));
  CHECK(sum == Approx(expected_sum).margin(1e-2));
  CHECK(sum / 768 == Approx(expected_mean).margin(1e-3));
}

Tensor ddim(const Schedule& schedule, Denoiser denoise, bool alpha_to_one) {
  return sample_ddim(denoise, counted(false), ddim_steps(schedule, 10, Spacing::leading, 0, alpha_to_one), philox_noise(0), clipping());
}

}  // namespace

TEST_CASE("ddim: the numbers of diffusers' tests") {
  const Schedule schedule = Schedule::diffusers(linear_betas(1000), false);
  check(ddim(schedule, from_eps(model), true), 172.0067, 0.223967);
  check(ddim(schedule, from_v(model), true), 52.5302, 0.0684);
  const Schedule stronger = Schedule::diffusers(linear_betas(1000, 0.01, 0.02), false);
  check(ddim(stronger, from_eps(model), true), 149.8295, 0.1951);
  check(ddim(stronger, from_eps(model), false), 149.0784, 0.1941);
}

TEST_CASE("ddim: noise added at the ninth step from the end, then eight steps") {
  const Schedule schedule = Schedule::diffusers(linear_betas(1000), false);
  const auto steps = ddim_steps(schedule, 10, Spacing::leading);
  const std::span<const Step> last = std::span(steps).subspan(8);
  const Tensor x = add_noise(counted(false), counted(true), std::vector{last[0].from});
  check(sample_ddim(from_eps(model), x, last, philox_noise(0), clipping()), 354.5418, 0.4616);
}

TEST_CASE("ddim: the numbers of diffusers' tests of its inversion") {
  const auto invert = [](const Schedule& schedule, Denoiser denoise, bool alpha_to_one) {
    return invert_ddim(denoise, counted(false), ddim_inversion_steps(schedule, 10, Spacing::leading, 0, alpha_to_one), clipping());
  };
  const Schedule schedule = Schedule::diffusers(linear_betas(1000), false);
  check(invert(schedule, from_eps(model), true), 671.6816, 0.8746);
  check(invert(schedule, from_v(model), true), 1394.2185, 1.8154);
  const Schedule stronger = Schedule::diffusers(linear_betas(1000, 0.01, 0.02), false);
  check(invert(stronger, from_eps(model), true), 539.9622, 0.7031);
  check(invert(stronger, from_eps(model), false), 542.6722, 0.7066);
}

TEST_CASE("ddpm: the numbers of diffusers' tests, with torch's noise") {
  const Schedule schedule = Schedule::diffusers(linear_betas(1000), false);
  const auto steps = ddpm_steps(schedule, 1000, Spacing::leading);
  DdpmOptions options;
  options.clip = {Clip::Kind::range, 1};
  check(sample_ddpm(from_eps(model), counted(false), steps, torch_cpu_noise(0, 4), options), 258.9606, 0.3372);
  check(sample_ddpm(from_v(model), counted(false), steps, torch_cpu_noise(0, 4), options), 202.0296, 0.2631);
}

TEST_CASE("ddim: eta 0 ignores the noise, eta 1 does not") {
  const Schedule schedule = linear_schedule(1000);
  const auto steps = ddim_steps(schedule, 10, Spacing::trailing);
  const auto run = [&](double eta, std::uint64_t seed) {
    DdimOptions options;
    options.eta = eta;
    return sample_ddim(from_v(model), counted(false), steps, philox_noise(seed), options);
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
  CHECK(sample_ddim(from_v(model), counted(false), steps, philox_noise(0), options).values()[5] == 3);
  options.cancel.cancel();
  CHECK_THROWS_AS(sample_ddim(from_v(model), counted(false), steps, philox_noise(0), options), Cancelled);
  CHECK_THROWS_AS(sample_ddim(from_v(model), counted(false), {}, philox_noise(0)), Error);
  std::ranges::reverse(steps);
  for (Step& step : steps) std::swap(step.from, step.to);
  CHECK_THROWS_AS(sample_ddim(from_v(model), counted(false), steps, philox_noise(0)), Error);
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
