// What samplers draw from a mixture of two normals in one dimension, by the statistic of Kolmogorov and Smirnov: the largest
// distance D between the distribution function of 100 000 samples and the exact one. sqrt(n) D above 1.95 has probability 0.001;
// each sampler takes as many steps as bring its bias well below that, and with few steps the statistic sees its bias.
#include <algorithm>
#include <cmath>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"
#include "support/closed_form.hpp"

using namespace eddy;
using namespace eddy::test;

namespace {

constexpr std::int64_t kSamples = 100000;

struct Mixture {
  struct Part {
    double weight, mean, deviation;
  };
  Part parts[2] = {{0.3, -1, 0.2}, {0.7, 0.8, 0.4}};

  // E[x0 | x] is the mean of the parts' own, weighted by how likely x is in each.
  Prediction operator()(const Tensor& x, std::span<const NoiseLevel> levels) const {
    const auto& [t, alpha, sigma] = levels[0];
    Tensor x0 = Tensor::uninitialised(x.shape()), eps = Tensor::uninitialised(x.shape());
    const std::span<float> x0s = x0.mutable_values(), epss = eps.mutable_values();
    double variance[2], height[2], gain[2];
    for (int k = 0; k < 2; ++k) {
      const double own = parts[k].deviation * parts[k].deviation;
      variance[k] = alpha * alpha * own + sigma * sigma;
      height[k] = std::log(parts[k].weight / std::sqrt(variance[k]));
      gain[k] = alpha * own / variance[k];
    }
    for (std::size_t i = 0; i < x0s.size(); ++i) {
      const auto v = static_cast<double>(x.values()[i]);
      const double off[2] = {v - alpha * parts[0].mean, v - alpha * parts[1].mean};
      const double first_log = height[0] - off[0] * off[0] / (2 * variance[0]);
      const double second = 1 / (1 + std::exp(first_log - height[1] + off[1] * off[1] / (2 * variance[1])));
      const double mean[2] = {parts[0].mean + gain[0] * off[0], parts[1].mean + gain[1] * off[1]};
      const double predicted = mean[0] + second * (mean[1] - mean[0]);
      x0s[i] = static_cast<float>(predicted);
      epss[i] = static_cast<float>((v - alpha * predicted) / sigma);
    }
    return {x0, eps, {}};
  }

  double below(double x) const {
    double sum = 0;
    for (const Part& p : parts) sum += p.weight * std::erfc((p.mean - x) / (p.deviation * std::sqrt(2.0))) / 2;
    return sum;
  }

  Tensor draw(const NoiseSource& noise) const {
    Tensor x = noise.normal({1, kSamples}, {kUser, 0});
    for (std::size_t i = 0; i < static_cast<std::size_t>(kSamples); ++i) {
      const double u = keyed_uniform(5, {kUser, 1}, 0, static_cast<std::int64_t>(i));
      const Part& p = parts[u < parts[0].weight ? 0 : 1];
      x.mutable_values()[i] = static_cast<float>(p.mean + p.deviation * static_cast<double>(x.values()[i]));
    }
    return x;
  }
};

double distance(const Mixture& data, const Tensor& x) {
  std::vector<float> sorted(x.values().begin(), x.values().end());
  std::ranges::sort(sorted);
  double largest = 0;
  const auto n = static_cast<double>(sorted.size());
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const double f = data.below(static_cast<double>(sorted[i]));
    largest = std::max({largest, f - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - f});
  }
  return largest;
}

using Run = Tensor (*)(const Denoiser&, Tensor, std::span<const Step>, const NoiseSource&);

struct Row {
  const char* name;
  int steps;  // enough
  int few;    // not enough
  Run run;
  NoiseLevel (*level)(double) = exploding_level;
};

Tensor ddim(const Denoiser& d, Tensor x, std::span<const Step> s, const NoiseSource& noise) {
  DdimOptions options;
  options.eta = 1;
  return sample_ddim(d, std::move(x), s, noise, options);
}

Tensor ddpm(const Denoiser& d, Tensor x, std::span<const Step> s, const NoiseSource& noise) {
  return sample_ddpm(d, std::move(x), s, noise);
}

Tensor euler_ancestral(const Denoiser& d, Tensor x, std::span<const Step> s, const NoiseSource& noise) {
  return sample_euler_ancestral(d, std::move(x), s, noise);
}

Tensor renewed(const Denoiser& d, Tensor x, std::span<const Step> s, const NoiseSource& noise) {
  AncestralOptions options;
  options.eta = 1.2;
  return sample_euler_ancestral(d, std::move(x), s, noise, options);
}

template <NoiseLevel (*level)(double)>
Tensor dpm_2_ancestral(const Denoiser& d, Tensor x, std::span<const Step> s, const NoiseSource& noise) {
  Dpm2AncestralOptions options;
  options.level_at = level;
  return sample_dpm_2_ancestral(d, std::move(x), s, noise, options);
}

// A method with churn down to sigma = 0.02.
template <class Options, class F>
Tensor with_churn(F sampler, const Denoiser& d, Tensor x, std::span<const Step> s, const NoiseSource& noise) {
  Options options;
  options.churn = {10, 0.02};
  options.level_at = exploding_level;
  return sampler(d, std::move(x), s, noise, options);
}

Tensor euler_churn(const Denoiser& d, Tensor x, std::span<const Step> s, const NoiseSource& noise) {
  return with_churn<EulerOptions>(sample_euler, d, std::move(x), s, noise);
}

Tensor heun_churn(const Denoiser& d, Tensor x, std::span<const Step> s, const NoiseSource& noise) {
  return with_churn<ChurnOptions>(sample_heun, d, std::move(x), s, noise);
}

Tensor dpm_2_churn(const Denoiser& d, Tensor x, std::span<const Step> s, const NoiseSource& noise) {
  return with_churn<ChurnOptions>(sample_dpm_2, d, std::move(x), s, noise);
}

template <int order, Integrand integrand>
Tensor dpm_multistep(const Denoiser& d, Tensor x, std::span<const Step> s, const NoiseSource& noise) {
  DpmMultistepOptions options;
  options.order = order;
  options.integrand = integrand;
  options.eta = 1;
  return sample_dpm_multistep(d, std::move(x), s, noise, options);
}

Tensor dpm_singlestep(const Denoiser& d, Tensor x, std::span<const Step> s, const NoiseSource& noise) {
  DpmSinglestepOptions options;
  options.eta = 1;
  return sample_dpm_singlestep(d, std::move(x), s, noise, options);
}

// Where each step asks for one piece of the path, pieces are independent normals, and cheaper.
class Independent final : public NoiseSource::Source {
 public:
  explicit Independent(const NoiseSource& noise) : noise_(noise) {}
  Tensor normal(const Shape& shape, const NoiseKey& key, std::int64_t, const Context& context) override {
    return noise_.normal(shape, key, context);
  }
  Tensor brownian(const Shape& shape, const BrownianKey& key, std::int64_t, const Context& context) override {
    return noise_.normal(shape, key.key, context);
  }

 private:
  NoiseSource noise_;
};

NoiseSource independent(const NoiseSource& noise) { return NoiseSource(std::make_shared<Independent>(noise)); }

template <class Options>
Options stochastic(NoiseLevel (*level)(double)) {
  Options options;
  options.eta = 1;
  options.level_at = level;
  return options;
}

template <NoiseLevel (*level)(double)>
Tensor dpmpp_2s_ancestral(const Denoiser& d, Tensor x, std::span<const Step> s, const NoiseSource& noise) {
  return sample_dpmpp_2s_ancestral(d, std::move(x), s, noise, stochastic<Dpmpp2sOptions>(level));
}

template <NoiseLevel (*level)(double)>
Tensor dpmpp_sde(const Denoiser& d, Tensor x, std::span<const Step> s, const NoiseSource& noise) {
  return sample_dpmpp_sde(d, std::move(x), s, noise, stochastic<DpmppSdeOptions>(level));
}

template <Dpmpp2mSdeOptions::Correction correction>
Tensor dpmpp_2m_sde(const Denoiser& d, Tensor x, std::span<const Step> s, const NoiseSource& noise) {
  Dpmpp2mSdeOptions options;
  options.correction = correction;
  return sample_dpmpp_2m_sde(d, std::move(x), s, independent(noise), options);
}

Tensor dpmpp_3m_sde(const Denoiser& d, Tensor x, std::span<const Step> s, const NoiseSource& noise) {
  return sample_dpmpp_3m_sde(d, std::move(x), s, independent(noise));
}

Tensor dpm_fast(const Denoiser& d, Tensor x, std::span<const Step> s, const NoiseSource& noise) {
  return sample_dpm_fast(d, std::move(x), s, noise, stochastic<DpmFastOptions>(exploding_level));
}

Tensor score_ve(const Denoiser& d, Tensor x, std::span<const Step> s, const NoiseSource& noise) {
  ScoreVeOptions options;
  options.batch_coupled = true;  // norms of single numbers are no sizes of steps
  return sample_score_ve(d, x.viewed({kSamples, 1}), s, noise, options).viewed(x.shape());
}

Tensor score_vp(const Denoiser& d, Tensor x, std::span<const Step> s, const NoiseSource& noise) {
  return sample_score_vp(d, std::move(x), s, noise);
}

// Its own steps all the way; more "steps" are a smaller tolerance.
Tensor dpm_adaptive(const Denoiser& d, Tensor x, std::span<const Step> s, const NoiseSource& noise) {
  auto options = stochastic<DpmAdaptiveOptions>(exploding_level);
  const double scale = 10 / static_cast<double>(s.size());
  options.rtol *= scale;
  options.atol *= scale;
  const Step all{s.front().from, s.back().to};
  return sample_dpm_adaptive(d, std::move(x), {&all, 1}, noise, options);
}

Tensor heun(const Denoiser& d, Tensor x, std::span<const Step> s, const NoiseSource& noise) {
  return sample_heun(d, std::move(x), s, noise);
}

Tensor deis(const Denoiser& d, Tensor x, std::span<const Step> s, const NoiseSource&) { return sample_deis(d, std::move(x), s); }

Tensor unipc(const Denoiser& d, Tensor x, std::span<const Step> s, const NoiseSource&) {
  return sample_unipc(d, std::move(x), s);
}

const Row kRows[] = {
    {"ddim, eta 1", 320, 10, ddim},
    {"ddpm", 320, 10, ddpm, preserving_level},
    // in sigma space
    {"euler_ancestral", 320, 10, euler_ancestral},
    {"euler_ancestral, flow", 320, 10, euler_ancestral, flow_level},
    {"euler_ancestral, eta 1.2", 320, 10, renewed},
    {"dpm_2_ancestral", 80, 5, dpm_2_ancestral<exploding_level>},
    {"dpm_2_ancestral, preserving", 80, 5, dpm_2_ancestral<preserving_level>, preserving_level},
    {"euler with churn", 400, 10, euler_churn},
    {"heun with churn", 40, 5, heun_churn},
    {"dpm_2 with churn", 40, 5, dpm_2_churn},
    // exponential integrators
    {"dpm_multistep, SDE", 80, 5, dpm_multistep<2, Integrand::x0>},
    {"dpm_multistep of order 3, SDE", 80, 5, dpm_multistep<3, Integrand::x0>, flow_level},
    {"dpm_multistep, SDE of eps", 160, 5, dpm_multistep<2, Integrand::eps>, preserving_level},
    {"dpm_singlestep, SDE", 320, 5, dpm_singlestep},
    // with Brownian noise, and with steps of their own choice
    {"dpmpp_2s_ancestral", 80, 5, dpmpp_2s_ancestral<exploding_level>},
    {"dpmpp_2s_ancestral, preserving", 80, 5, dpmpp_2s_ancestral<preserving_level>, preserving_level},
    {"dpmpp_sde", 30, 5, dpmpp_sde<exploding_level>},
    {"dpmpp_2m_sde", 80, 5, dpmpp_2m_sde<Dpmpp2mSdeOptions::Correction::midpoint>},
    {"dpmpp_2m_sde, heun", 80, 5, dpmpp_2m_sde<Dpmpp2mSdeOptions::Correction::heun>},
    {"dpmpp_3m_sde", 80, 5, dpmpp_3m_sde},
    {"dpm_fast, eta 1", 80, 5, dpm_fast},
    {"dpm_adaptive, eta 1", 20, 1, dpm_adaptive},
    // multistep, few-step and score-based; few-step methods in consistency_test.cpp
    {"score_ve", 160, 10, score_ve},
    {"score_vp", 320, 10, score_vp, preserving_level},
    // deterministic
    {"heun", 60, 5, heun},
    {"deis", 40, 5, deis, preserving_level},
    {"unipc, flow", 40, 5, unipc, flow_level},
};

// From noised data, so that the start is exact: sqrt(n) D.
double statistic(const Row& row, int n) {
  const Mixture data;
  const NoiseSource noise = philox_noise(3);
  const std::vector<Step> list = graded_steps(n, 10, 0.01, row.level);
  const Tensor z = noise.normal({1, kSamples}, kInitialNoise);
  const Tensor begin = add_noise(data.draw(noise), z, std::vector{list.front().from});
  const Tensor x = row.run(data, begin, list, noise);
  // x is still noisy by sigma = 0.01, which widens a deviation of 0.2 by 0.1 %, far below the resolution.
  return std::sqrt(static_cast<double>(kSamples)) * distance(data, affine(x, 1 / list.back().to.alpha));
}

}  // namespace

TEST_CASE("samplers: draw from a mixture of two normals", "[mixture]") {
  for (const Row& row : kRows) {
    INFO(row.name);
    CHECK(statistic(row, row.steps) < 1.95);
    CHECK(statistic(row, row.few) > 1.95);
  }
}
