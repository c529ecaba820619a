// The order of every deterministic sampler, measured: data N(0, 1/4), whose ODE is known, halved steps. One row a sampler. A
// multistep method that starts with lower order shows its own order in a second row, where its first steps end at the exact x.
#include <cmath>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"
#include "support/closed_form.hpp"

using namespace eddy;
using namespace eddy::test;

namespace {

using Run = Tensor (*)(const Denoiser&, Tensor, std::span<const Step>, const SamplerOptions&);
using Level = NoiseLevel (*)(double);

struct Row {
  const char* name;
  double order;
  Run run;
  Level level = exploding_level;
  int steps = 40;       // against twice as many
  int exact_steps = 0;  // of the first, so many end at the exact x
  double margin = 0.06;
};

template <class Options>
Options with(const SamplerOptions& call, Options own = {}) {
  own.on_step = call.on_step;
  return own;
}

Tensor ddim(const Denoiser& d, Tensor x, std::span<const Step> s, const SamplerOptions& call) {
  return sample_ddim(d, std::move(x), s, philox_noise(0), with<DdimOptions>(call));
}

Tensor euler(const Denoiser& d, Tensor x, std::span<const Step> s, const SamplerOptions& call) {
  return sample_euler(d, std::move(x), s, philox_noise(0), with<EulerOptions>(call));
}

Tensor heun(const Denoiser& d, Tensor x, std::span<const Step> s, const SamplerOptions& call) {
  return sample_heun(d, std::move(x), s, philox_noise(0), with<ChurnOptions>(call));
}

template <Level level>
Tensor dpm_2(const Denoiser& d, Tensor x, std::span<const Step> s, const SamplerOptions& call) {
  auto options = with<ChurnOptions>(call);
  options.level_at = level;
  return sample_dpm_2(d, std::move(x), s, philox_noise(0), options);
}

template <Level level>
Tensor dpm_2_without_noise(const Denoiser& d, Tensor x, std::span<const Step> s, const SamplerOptions& call) {
  auto options = with<Dpm2AncestralOptions>(call);
  options.level_at = level;
  options.eta = 0;
  return sample_dpm_2_ancestral(d, std::move(x), s, philox_noise(0), options);
}

template <int order>
Tensor lms(const Denoiser& d, Tensor x, std::span<const Step> s, const SamplerOptions& call) {
  auto options = with<LmsOptions>(call);
  options.order = order;
  return sample_lms(d, std::move(x), s, philox_noise(0), options);
}

template <int order, Integrand integrand, SecondOrder second = SecondOrder::midpoint, bool as_diffusers = false>
Tensor dpm_multistep(const Denoiser& d, Tensor x, std::span<const Step> s, const SamplerOptions& call) {
  auto options = with<DpmMultistepOptions>(call);
  options.order = order;
  options.integrand = integrand;
  options.second_order = second;
  options.diffusers_third_order = as_diffusers;
  return sample_dpm_multistep(d, std::move(x), s, philox_noise(0), options);
}

template <int order, Integrand integrand, SecondOrder second = SecondOrder::midpoint>
Tensor dpm_singlestep(const Denoiser& d, Tensor x, std::span<const Step> s, const SamplerOptions& call) {
  auto options = with<DpmSinglestepOptions>(call);
  options.order = order;
  options.integrand = integrand;
  options.second_order = second;
  options.lower_order_final = false;
  return sample_dpm_singlestep(d, std::move(x), s, philox_noise(0), options);
}

template <int order>
Tensor deis(const Denoiser& d, Tensor x, std::span<const Step> s, const SamplerOptions& call) {
  auto options = with<DeisOptions>(call);
  options.order = order;
  return sample_deis(d, std::move(x), s, options);
}

template <int order, Integrand integrand, UnipcB b = UnipcB::bh2>
Tensor unipc(const Denoiser& d, Tensor x, std::span<const Step> s, const SamplerOptions& call) {
  auto options = with<UnipcOptions>(call);
  options.order = order;
  options.integrand = integrand;
  options.b = b;
  options.lower_order_final = false;
  return sample_unipc(d, std::move(x), s, options);
}

constexpr Integrand kX0 = Integrand::x0, kEps = Integrand::eps;
constexpr SecondOrder kHeun = SecondOrder::heun;

template <Level level>
Tensor dpmpp_2s(const Denoiser& d, Tensor x, std::span<const Step> s, const SamplerOptions& call) {
  auto options = with<Dpmpp2sOptions>(call);
  options.eta = 0;
  options.level_at = level;
  return sample_dpmpp_2s_ancestral(d, std::move(x), s, philox_noise(0), options);
}

template <Level level>
Tensor dpmpp_sde(const Denoiser& d, Tensor x, std::span<const Step> s, const SamplerOptions& call) {
  auto options = with<DpmppSdeOptions>(call);
  options.eta = 0;
  options.r = 0.4;
  options.level_at = level;
  return sample_dpmpp_sde(d, std::move(x), s, philox_noise(0), options);
}

template <Dpmpp2mSdeOptions::Correction correction>
Tensor dpmpp_2m(const Denoiser& d, Tensor x, std::span<const Step> s, const SamplerOptions& call) {
  auto options = with<Dpmpp2mSdeOptions>(call);
  options.eta = 0;
  options.correction = correction;
  return sample_dpmpp_2m_sde(d, std::move(x), s, philox_noise(0), options);
}

template <bool half>
Tensor dpmpp_3m(const Denoiser& d, Tensor x, std::span<const Step> s, const SamplerOptions& call) {
  auto options = with<Dpmpp3mSdeOptions>(call);
  options.eta = 0;
  options.half_curvature = half;
  return sample_dpmpp_3m_sde(d, std::move(x), s, philox_noise(0), options);
}

template <int order, Level level>
Tensor dpm_fast(const Denoiser& d, Tensor x, std::span<const Step> s, const SamplerOptions& call) {
  auto options = with<DpmFastOptions>(call);
  options.orders.assign(s.size(), order);
  options.level_at = level;
  return sample_dpm_fast(d, std::move(x), s, philox_noise(0), options);
}

constexpr auto kSdeMidpoint = Dpmpp2mSdeOptions::Correction::midpoint, kSdeHeun = Dpmpp2mSdeOptions::Correction::heun;

template <Level level>
Tensor pndm(const Denoiser& d, Tensor x, std::span<const Step> s, const SamplerOptions& call) {
  auto options = with<PndmOptions>(call);
  options.stages = [](const Step& step) {
    const double ratio = (step.from.sigma / step.from.alpha + step.to.sigma / step.to.alpha) / 2;
    const Step half{step.from, level(ratio)};
    return std::vector{half, half};
  };
  return sample_pndm(d, std::move(x), s, philox_noise(0), options);
}

Tensor pndm_by_heun(const Denoiser& d, Tensor x, std::span<const Step> s, const SamplerOptions& call) {
  auto options = with<PndmOptions>(call);
  options.runge_kutta = false;
  return sample_pndm(d, std::move(x), s, philox_noise(0), options);
}

Tensor ipndm(const Denoiser& d, Tensor x, std::span<const Step> s, const SamplerOptions& call) {
  return sample_ipndm(d, std::move(x), s, philox_noise(0), with<IpndmOptions>(call));
}

Tensor tcd(const Denoiser& d, Tensor x, std::span<const Step> s, const SamplerOptions& call) {
  auto options = with<TcdOptions>(call);
  options.eta = 0;
  return sample_tcd(d, std::move(x), s, philox_noise(0), options);
}

const Row kRows[] = {
    {"ddim", 1, ddim},
    {"ddim, preserving", 1, ddim, preserving_level},
    {"ddim, flow", 1, ddim, flow_level},
    // in sigma space
    {"euler", 1, euler},
    {"euler, preserving", 1, euler, preserving_level},
    {"euler, flow", 1, euler, flow_level},
    {"heun", 2, heun},
    {"heun, preserving", 2, heun, preserving_level},
    {"heun, flow", 2, heun, flow_level},
    {"dpm_2", 2, dpm_2<exploding_level>},
    {"dpm_2, preserving", 2, dpm_2<preserving_level>, preserving_level},
    {"dpm_2, flow", 2, dpm_2<flow_level>, flow_level},
    {"dpm_2_ancestral, eta 0", 2, dpm_2_without_noise<exploding_level>},
    {"lms of order 1", 1, lms<1>},
    {"lms of order 2", 2, lms<2>},
    {"lms of order 3", 3, lms<3>, exploding_level, 40, 2, 0.1},
    {"lms of order 3, preserving", 3, lms<3>, preserving_level, 40, 2, 0.25},
    {"lms of order 3, flow", 3, lms<3>, flow_level, 40, 2, 0.25},
    {"lms of order 4", 4, lms<4>, exploding_level, 24, 3, 0.25},
    // exponential integrators; UniC raises UniP's order by one, from where its first steps are exact
    {"dpm_multistep of order 1", 1, dpm_multistep<1, kX0>},
    {"dpm_multistep of order 2", 2, dpm_multistep<2, kX0>, exploding_level, 80, 1},
    {"dpm_multistep of order 2, heun", 2, dpm_multistep<2, kX0, kHeun>, preserving_level},
    {"dpm_multistep of order 2, eps", 2, dpm_multistep<2, kEps>, flow_level},
    {"dpm_multistep of order 3", 3, dpm_multistep<3, kX0, kHeun>, exploding_level, 48, 2, 0.15},
    {"dpm_multistep of order 3, eps", 3, dpm_multistep<3, kEps, kHeun>, preserving_level, 24, 2, 0.2},
    {"dpm_multistep of order 3 as diffusers has it", 2, dpm_multistep<3, kX0, kHeun, true>, exploding_level, 80, 2, 0.1},
    {"dpm_singlestep of order 1", 1, dpm_singlestep<1, kX0>},
    {"dpm_singlestep of order 2", 2, dpm_singlestep<2, kX0>},
    {"dpm_singlestep of order 2, eps, heun", 2, dpm_singlestep<2, kEps, kHeun>, preserving_level},
    {"dpm_singlestep of order 3", 3, dpm_singlestep<3, kX0, kHeun>, exploding_level, 24, 0, 0.2},
    {"dpm_singlestep of order 3, eps", 3, dpm_singlestep<3, kEps, kHeun>, flow_level, 24, 0, 0.2},
    {"deis of order 1", 1, deis<1>},
    {"deis of order 2", 2, deis<2>, preserving_level},
    {"deis of order 3", 3, deis<3>, flow_level, 24, 2, 0.2},
    {"unipc of order 1", 2, unipc<1, kX0>},
    {"unipc of order 1, bh1, eps", 2, unipc<1, kEps, UnipcB::bh1>, preserving_level, 80},
    {"unipc of order 2", 3, unipc<2, kX0>, exploding_level, 24, 2, 0.25},
    {"unipc of order 2, eps", 3, unipc<2, kEps>, flow_level, 24, 2, 0.25},
    // with Brownian noise, and with steps of their own choice
    {"dpmpp_2s_ancestral, eta 0", 2, dpmpp_2s<exploding_level>},
    {"dpmpp_2s_ancestral, eta 0, preserving", 2, dpmpp_2s<preserving_level>, preserving_level},
    {"dpmpp_sde, eta 0", 2, dpmpp_sde<exploding_level>},
    {"dpmpp_sde, eta 0, flow", 2, dpmpp_sde<flow_level>, flow_level},
    {"dpmpp_2m_sde, eta 0", 2, dpmpp_2m<kSdeMidpoint>, exploding_level, 80},
    {"dpmpp_2m_sde, eta 0, heun, preserving", 2, dpmpp_2m<kSdeHeun>, preserving_level, 80, 0, 0.15},
    {"dpmpp_3m_sde, eta 0", 3, dpmpp_3m<false>, exploding_level, 40, 2, 0.2},
    {"dpmpp_3m_sde, eta 0, flow", 3, dpmpp_3m<false>, flow_level, 40, 2, 0.25},
    {"dpmpp_3m_sde, eta 0, half of the curvature", 2, dpmpp_3m<true>, exploding_level, 40, 2, 0.25},
    {"dpm_fast of order 1", 1, dpm_fast<1, exploding_level>},
    {"dpm_fast of order 2, flow", 2, dpm_fast<2, flow_level>, flow_level},
    {"dpm_fast of order 3", 3, dpm_fast<3, exploding_level>, exploding_level, 24},
    // multistep, few-step and score-based; pndm and ipndm take uneven steps for even ones: see pndm_test.cpp
    {"pndm", 2, pndm<exploding_level>},
    {"pndm, preserving", 2, pndm<preserving_level>, preserving_level},
    {"pndm by heun, preserving", 2, pndm_by_heun, preserving_level},
    {"ipndm, flow", 2, ipndm, flow_level},
    {"tcd, eta 0", 1, tcd},
};

// Mean relative error of many x, so that their rounding cancels.
double error(const Row& row, int n) {
  const Gaussian data;
  const std::vector<Step> list = graded_steps(n, 3, 0.2, row.level);
  Tensor begin = Tensor::uninitialised({1, 512});
  for (std::size_t i = 0; i < 512; ++i) begin.mutable_values()[i] = 1 + static_cast<float>(i) / 512;
  SamplerOptions options;
  options.on_step = [&](const StepReport& r) {
    if (static_cast<int>(r.step) < row.exact_steps) r.x = affine(begin, data.carried(list.front().from, r.level));
  };
  const Tensor x = row.run(data, begin, list, options);
  const double exact = data.carried(list.front().from, list.back().to);
  double sum = 0;
  for (std::size_t i = 0; i < 512; ++i) {
    sum += static_cast<double>(x.values()[i]) / (exact * static_cast<double>(begin.values()[i])) - 1;
  }
  return std::abs(sum / 512);
}

}  // namespace

TEST_CASE("samplers: half the step, an error smaller by 2 to the order", "[order]") {
  for (const Row& row : kRows) {
    INFO(row.name);
    const double coarse = error(row, row.steps), fine = error(row, 2 * row.steps);
    INFO("errors " << coarse << " and " << fine);
    CHECK(std::log2(coarse / fine) == Approx(row.order).margin(row.margin));
  }
}
