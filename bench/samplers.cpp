// How far samplers end from the truth on a problem in closed form.
//
// Data: half N(-1, 0.2^2), a third N(0.3, 0.1^2), a sixth N(1.2, 0.3^2). The denoiser is exact, x0 = E[x0 | x]: with weights
// w_k, means m_k and variances s_k, x is a mixture of N(alpha m_k, alpha^2 s_k + sigma^2), and the mean of each given x is
// linear. Printed is the Wasserstein-1 distance of 20,000 samples from the data's quantiles; initial noise is stratified, so
// that a deterministic sampler shows its own error alone.
#include <array>
#include <cmath>

#include "bench.hpp"
#include "eddy/eddy.hpp"

namespace eddy::bench {

namespace {

struct Part {
  double weight, mean, variance;
};
constexpr std::array<Part, 3> kParts{{{1.0 / 2, -1, 0.04}, {1.0 / 3, 0.3, 0.01}, {1.0 / 6, 1.2, 0.09}}};
constexpr std::int64_t kSamples = 20000;

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

double quantile(double p, const std::function<double(double)>& cdf) {
  double low = -10, high = 10;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (cdf(middle) < p ? low : high) = middle;
  }
  return (low + high) / 2;
}

double data_cdf(double x) {
  double sum = 0;
  for (const Part& part : kParts) sum += part.weight * normal_cdf((x - part.mean) / std::sqrt(part.variance));
  return sum;
}

Prediction exact(const Tensor& x, std::span<const NoiseLevel> levels) {
  Prediction p{x.clone(), x.clone(), {}};
  const std::span<float> x0 = p.x0.mutable_values(), eps = p.eps.mutable_values();
  for (std::size_t i = 0; i < x0.size(); ++i) {
    const NoiseLevel& l = levels[levels.size() == 1 ? 0 : i];
    double total = 0, mean = 0, noise = 0;
    std::array<double, kParts.size()> logs{};
    for (std::size_t k = 0; k < kParts.size(); ++k) {
      const double variance = l.alpha * l.alpha * kParts[k].variance + l.sigma * l.sigma, d = x.values()[i] - l.alpha * kParts[k].mean;
      logs[k] = std::log(kParts[k].weight) - 0.5 * std::log(variance) - 0.5 * d * d / variance;
    }
    const double largest = *std::ranges::max_element(logs);
    for (std::size_t k = 0; k < kParts.size(); ++k) {
      const double variance = l.alpha * l.alpha * kParts[k].variance + l.sigma * l.sigma, d = x.values()[i] - l.alpha * kParts[k].mean;
      const double w = std::exp(logs[k] - largest);
      total += w;
      mean += w * (kParts[k].mean + l.alpha * kParts[k].variance / variance * d);
      noise += w * l.sigma / variance * d;
    }
    x0[i] = static_cast<float>(mean / total);
    eps[i] = static_cast<float>(noise / total);
  }
  return p;
}

}  // namespace

void run_samplers(const Options& options, const Context& context) {
  SchedulerConfig config(options.scheduler);
  if (!options.sampler.empty()) config = config.with_sampler(options.sampler);
  const Sampling sampling = sampling_of(config, {.steps = options.steps});
  std::int64_t evaluations = 0;
  const Denoiser counted = [&](const Tensor& x, std::span<const NoiseLevel> levels) {
    ++evaluations;
    return exact(x, levels);
  };
  Tensor x = Tensor::uninitialised({kSamples, 1}, DType::f32, context);
  for (std::int64_t i = 0; i < kSamples; ++i) {
    const double z = quantile((static_cast<double>(i) + 0.5) / kSamples, normal_cdf);
    x.mutable_values()[static_cast<std::size_t>(i)] = static_cast<float>(sampling.initial_scale * z);
  }
  x = sampling.sampler(counted, x, sampling.steps, philox_noise(0), {});
  std::vector<float> sorted(x.values().begin(), x.values().end());
  std::ranges::sort(sorted);
  double distance = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    distance += std::abs(quantile((static_cast<double>(i) + 0.5) / kSamples, data_cdf) - sorted[i]) / kSamples;
  }
  print({{"what", "samplers"}, {"sampler", config.name()}, {"steps", sampling.steps.size()}, {"evaluations", evaluations},
         {"distance", distance}});
}

}  // namespace eddy::bench
