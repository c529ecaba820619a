#include "solver_case.hpp"
#include "support/catch.hpp"

using namespace eddy;
using namespace eddy::test;

namespace {

UnipcOptions own(int order, Integrand integrand = Integrand::x0, UnipcB b = UnipcB::bh2, bool lower = false) {
  UnipcOptions options;
  options.order = order;
  options.integrand = integrand;
  options.b = b;
  options.lower_order_final = lower;
  return options;
}

UnipcOptions uncorrected(UnipcOptions options, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) options.uncorrected.push_back(i);
  return options;
}

Tensor one() { return Tensor::full({1, 1}, 1); }

double error(const UnipcOptions& options, int n) {
  const auto list = uneven_steps(n);
  const double exact_factor = std::sqrt(variance_at(list.back().to) / variance_at(list.front().from));
  return std::abs(item(sample_unipc(exact, one(), list, options)) - exact_factor);
}

}  // namespace

TEST_CASE("unipc: without the corrector, order 2 is DPM-Solver's midpoint and order 3 its order 3 and DEIS's") {
  const auto list = uneven_steps(12);
  for (const Integrand integrand : {Integrand::x0, Integrand::eps}) {
    for (const int order : {1, 2, 3}) {
      DpmMultistepOptions dpm;
      dpm.order = order;
      dpm.integrand = integrand;
      dpm.lower_order_final = false;
      // Where order 3 has but two values, UniP takes a = 1/2, as the midpoint form does.
      const double expected = item(sample_dpm_multistep(exact, one(), list, philox_noise(0), dpm));
      const double given = item(sample_unipc(exact, one(), list, uncorrected(own(order, integrand), 12)));
      INFO("order " << order);
      CHECK(given == Approx(expected).epsilon(2e-6));
    }
  }
}

TEST_CASE("unipc: the corrector of order 1 is that of the paper, by hand") {
  const auto list = uneven_steps(2);
  const auto& a = list[0].from;
  const auto& b = list[0].to;
  const auto& c = list[1].to;
  const auto gain = [](const NoiseLevel& l) { return l.alpha * kVariance / variance_at(l); };
  const auto h = [](const NoiseLevel& s, const NoiseLevel& t) { return std::log(t.alpha * s.sigma / (t.sigma * s.alpha)); };
  for (const UnipcB kind : {UnipcB::bh1, UnipcB::bh2}) {
    const double e = std::expm1(-h(a, b)), big = kind == UnipcB::bh1 ? -h(a, b) : e;
    const double base = b.sigma / a.sigma - b.alpha * e * gain(a);
    const double corrected = base - b.alpha * big * 0.5 * (gain(b) * base - gain(a));
    // The evaluation at b is that of the predicted x.
    const double last = c.sigma / b.sigma * corrected - c.alpha * std::expm1(-h(b, c)) * gain(b) * base;
    CHECK(item(sample_unipc(exact, one(), list, own(1, Integrand::x0, kind))) == Approx(last).epsilon(1e-6));
  }
}

TEST_CASE("unipc: the corrector lowers the error of every order") {
  for (const Integrand integrand : {Integrand::x0, Integrand::eps}) {
    for (const int order : {1, 2}) {
      CHECK(error(own(order, integrand), 16) < 0.5 * error(uncorrected(own(order, integrand), 16), 16));
    }
  }
}

TEST_CASE("unipc: corrects a predictor of one's own: DDIM gains an order") {
  auto options = own(1);
  options.predictor = [](const Prediction& p, const Tensor& x, const Step& step, std::size_t) {
    const double ratio = step.to.alpha / step.from.alpha;
    return combine(ratio, x, step.to.sigma - ratio * step.from.sigma, p.eps);
  };
  const double plain = std::log2(error(uncorrected(options, 160), 80) / error(uncorrected(options, 160), 160));
  CHECK(plain == Approx(1).margin(0.1));
  CHECK(std::log2(error(options, 40) / error(options, 80)) == Approx(2).margin(0.15));
}

TEST_CASE("unipc: a step to sigma = 0 gives x0 for every form, where diffusers has no number") {
  auto list = uneven_steps(5);
  list.back().to = {0, 1, 0};
  for (const Integrand integrand : {Integrand::x0, Integrand::eps}) {
    for (const UnipcB b : {UnipcB::bh1, UnipcB::bh2}) {
      for (const bool lower : {false, true}) {
        Tensor last;
        auto options = own(3, integrand, b, lower);
        options.on_step = [&](const StepReport& r) { last = r.x0(); };
        const Tensor x = sample_unipc(exact, one(), list, options);
        // x0 of the predicted x; the step starts from the corrected one, but at sigma = 0 only x0 is left.
        CHECK(item(x) == item(last));
      }
    }
  }
}

TEST_CASE("unipc: what on_step changes is kept through the correction") {
  const auto list = uneven_steps(4);
  const auto run = [&](double added) {
    auto options = own(2);
    options.on_step = [&](const StepReport& r) {
      if (r.step == 1 && added != 0) r.x = affine(r.x, 1, added);
    };
    // A denoiser that does not see x, so that all that differs is what was added.
    const Denoiser blind = [](const Tensor& x, std::span<const NoiseLevel> l) {
      return Prediction{Tensor::full(x.shape(), static_cast<float>(l[0].alpha)), Tensor::full(x.shape(), 0.5f), {}};
    };
    return item(sample_unipc(blind, one(), list, options));
  };
  const double left = list[3].to.sigma / list[2].from.sigma;
  CHECK(run(3) - run(0) == Approx(3 * left).epsilon(1e-5));
}

TEST_CASE("unipc: wrong options are refused") {
  const auto list = uneven_steps(3);
  CHECK_THROWS_WITH(sample_unipc(exact, one(), list, own(0)), Catch::Contains("order must be at least 1, got 0"));
  CHECK_THROWS_AS(sample_unipc(exact, one(), {}, own(2)), Error);
}
