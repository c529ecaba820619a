// What every sampler does with an x of no values, and with a denoiser or a callback that does not keep x's shape.
#include <cmath>
#include <functional>
#include <string>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

NoiseLevel preserving(double r) { return {r, 1 / std::hypot(1, r), r / std::hypot(1, r)}; }

struct Case {
  std::string name;
  std::function<Tensor(const Denoiser&, const Tensor& x, const SamplerOptions&)> run;
  bool x0_alone = false;  // eps may be missing
};

template <class Options>
Options with(const SamplerOptions& common) {
  Options o;
  static_cast<SamplerOptions&>(o) = common;
  if constexpr (requires { o.level_at; }) o.level_at = preserving;
  return o;
}

// Noisy to clean, the last sigma above 0: all samplers take it.
std::vector<Step> falling() {
  return steps(std::vector{preserving(4), preserving(2), preserving(1), preserving(0.5), preserving(0.2)});
}
std::vector<Step> rising() { return steps(std::vector{preserving(0.2), preserving(1), preserving(4)}); }

template <class Options, class F>
Case of(const char* name, F sampler, bool x0_alone = false) {
  return {name, [=](const Denoiser& d, const Tensor& x, const SamplerOptions& o) {
            return sampler(d, x, falling(), philox_noise(1), with<Options>(o));
          },
          x0_alone};
}

template <class Options, class F>
Case without_noise(const char* name, F sampler, bool up = false) {
  return {name, [=](const Denoiser& d, const Tensor& x, const SamplerOptions& o) {
            return sampler(d, x, up ? rising() : falling(), with<Options>(o));
          }};
}

std::vector<Case> cases() {
  return {of<DdimOptions>("sample_ddim", sample_ddim),
          without_noise<DdimOptions>("invert_ddim", invert_ddim, true),
          of<DdpmOptions>("sample_ddpm", sample_ddpm),
          of<EulerOptions>("sample_euler", sample_euler),
          of<ChurnOptions>("sample_heun", sample_heun),
          of<ChurnOptions>("sample_dpm_2", sample_dpm_2),
          of<AncestralOptions>("sample_euler_ancestral", sample_euler_ancestral),
          of<Dpm2AncestralOptions>("sample_dpm_2_ancestral", sample_dpm_2_ancestral),
          of<LmsOptions>("sample_lms", sample_lms),
          of<DpmMultistepOptions>("sample_dpm_multistep", sample_dpm_multistep),
          without_noise<DpmMultistepOptions>("invert_dpm_multistep", invert_dpm_multistep, true),
          of<DpmSinglestepOptions>("sample_dpm_singlestep", sample_dpm_singlestep),
          without_noise<DeisOptions>("sample_deis", sample_deis),
          without_noise<UnipcOptions>("sample_unipc", sample_unipc),
          of<Dpmpp2sOptions>("sample_dpmpp_2s_ancestral", sample_dpmpp_2s_ancestral, true),
          of<DpmppSdeOptions>("sample_dpmpp_sde", sample_dpmpp_sde, true),
          of<Dpmpp2mSdeOptions>("sample_dpmpp_2m_sde", sample_dpmpp_2m_sde, true),
          of<Dpmpp3mSdeOptions>("sample_dpmpp_3m_sde", sample_dpmpp_3m_sde, true),
          of<DpmFastOptions>("sample_dpm_fast", sample_dpm_fast),
          of<DpmAdaptiveOptions>("sample_dpm_adaptive", sample_dpm_adaptive),
          {"sample_pndm",
           [](const Denoiser& d, const Tensor& x, const SamplerOptions& o) {
             PndmOptions own = with<PndmOptions>(o);
             own.runge_kutta = false;
             return sample_pndm(d, x, falling(), philox_noise(1), own);
           }},
          of<IpndmOptions>("sample_ipndm", sample_ipndm),
          of<ConsistencyOptions>("sample_consistency", sample_consistency, true),
          {"sample_tcd",
           [](const Denoiser& d, const Tensor& x, const SamplerOptions& o) {
             TcdOptions own = with<TcdOptions>(o);
             own.level = preserving;
             return sample_tcd(d, x, falling(), philox_noise(1), own);
           }},
          {"sample_repaint",
           [](const Denoiser& d, const Tensor& x, const SamplerOptions& o) {
             RepaintOptions own = with<RepaintOptions>(o);
             own.picture = own.mask = x.defined() ? x.clone() : x;
             return sample_repaint(d, x, falling(), philox_noise(1), own);
           }},
          of<ScoreVeOptions>("sample_score_ve", sample_score_ve),
          of<SamplerOptions>("sample_score_vp", sample_score_vp)};
}

Prediction kept(const Tensor& x, std::span<const NoiseLevel>) { return {affine(x, 0.5), affine(x, 0.5), {}}; }

// What is thrown, or "nothing".
template <class F>
std::string thrown(const F& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("samplers: a denoiser whose x0 or eps has another shape is refused by name") {
  const Tensor x = Tensor::full({4, 3}, 1.0);
  for (const Case& c : cases()) {
    INFO(c.name);
    for (const Shape& shape : {Shape{1, 3}, Shape{4, 1}, Shape{3, 4}, Shape{8, 3}}) {
      const Tensor other = Tensor::full(shape, 1.0);
      const auto wrong_x0 = [&](const Tensor& at, std::span<const NoiseLevel>) { return Prediction{other, at, {}}; };
      const auto wrong_eps = [&](const Tensor& at, std::span<const NoiseLevel>) { return Prediction{at, other, {}}; };
      const std::string of_x0 = thrown([&] { c.run(wrong_x0, x, {}); }), of_eps = thrown([&] { c.run(wrong_eps, x, {}); });
      CHECK(has(of_x0, c.name + ": the denoiser's x0 must be f32 of x's shape (4, 3), got " + to_string(shape)));
      CHECK(has(of_eps, c.name + ": the denoiser's eps must be f32 of x's shape (4, 3), got " + to_string(shape)));
    }
    const auto none = [](const Tensor& at, std::span<const NoiseLevel>) { return Prediction{at, {}, {}}; };
    const std::string of_none = thrown([&] { c.run(none, x, {}); });
    if (c.x0_alone) CHECK(of_none == "nothing");
    else CHECK(has(of_none, c.name + ": the denoiser's eps must be f32 of x's shape (4, 3), got nothing"));
  }
}

TEST_CASE("samplers: a callback that puts an x of another shape in place is refused by name") {
  const Tensor x = Tensor::full({4, 3}, 1.0);
  for (const Case& c : cases()) {
    INFO(c.name);
    for (const Shape& shape : {Shape{1, 3}, Shape{4, 6}, Shape{400, 3}}) {
      SamplerOptions options;
      options.on_step = [&](const StepReport& r) { r.x = Tensor::full(shape, 1.0); };
      const std::string text = thrown([&] { c.run(kept, x, options); });
      CHECK(has(text, c.name + ": x after on_step of step 0 must be f32 of x's shape (4, 3)"));
    }
  }
}

TEST_CASE("samplers: an x of no values is its own result, and no x at all an error") {
  for (const Case& c : cases()) {
    INFO(c.name);
    for (const Shape& shape : {Shape{0, 3}, Shape{4, 0}, Shape{2, 5, 0}}) {
      const Tensor x = Tensor::full(shape, 1.0);
      CHECK(c.run(kept, x, {}).shape() == shape);
    }
    CHECK(has(thrown([&] { c.run(kept, Tensor{}, {}); }), c.name + ": x must be an f32 tensor (N, ...), got nothing"));
  }
}
