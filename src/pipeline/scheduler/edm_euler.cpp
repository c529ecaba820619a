// EDMEulerScheduler: Euler's method with the preconditioning of EDM [Karras2022, Table 1].
#include <cmath>

#include "eddy/ops.hpp"
#include "pipeline/scheduler/edm.hpp"
#include "schedule/linspace.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr Name<bool> kSchedules[]{{"karras", false}, {"exponential", true}};
constexpr Name<bool> kEnds[]{{"zero", false}, {"sigma_min", true}};
constexpr Name<bool> kKinds[]{{"epsilon", false}, {"v_prediction", true}};

double rounded(double x) { return static_cast<double>(static_cast<float>(x)); }

}  // namespace

std::vector<NoiseLevel> EdmFields::levels(const SamplingOptions& options, int n) const {
  const SigmaKind placed = chosen_sigmas(options, SigmaKind::spaced);
  std::vector<double> sigmas;
  if (placed == SigmaKind::karras || (placed == SigmaKind::spaced && !exponential)) {
    sigmas = karras_sigmas(n, sigma_min, sigma_max, rho);
  } else if (placed == SigmaKind::spaced) {
    const std::vector<float> logs = float_linspace(n, std::log(sigma_min), std::log(sigma_max));
    for (auto log = logs.rbegin(); log != logs.rend(); ++log) sigmas.push_back(std::exp(static_cast<double>(*log)));
  } else {
    std::vector<double> training = karras_sigmas(num_train_timesteps, sigma_min, sigma_max, rho);
    sigmas = listed_sigmas(placed, n, TrainingSigmas({training.rbegin(), training.rend()}), sigma_min, sigma_max);
  }
  std::vector<NoiseLevel> result;
  for (const double sigma : sigmas) result.push_back(edm_level(rounded(sigma)));
  result.push_back({0, 1, end_at_smallest ? result.back().sigma : 0});
  return result;
}

EdmFields read_edm(JsonFields& f) {
  EdmFields e;
  e.sigma_min = read_positive(f, "sigma_min", 0.002);
  e.sigma_max = read_positive(f, "sigma_max", 80);
  check_sigma_ends(f, e.sigma_min, e.sigma_max);
  e.scaling.sigma_data = read_positive(f, "sigma_data", 0.5);
  e.exponential = named(f, "sigma_schedule", f.text("sigma_schedule", "karras"), kSchedules);
  e.num_train_timesteps = static_cast<int>(f.integer("num_train_timesteps", 1000, 2, 1000000));
  e.scaling.negative = named(f, "prediction_type", f.text("prediction_type", "epsilon"), kKinds);
  e.rho = read_positive(f, "rho", 7);
  e.end_at_smallest = named(f, "final_sigmas_type", f.text("final_sigmas_type", "zero"), kEnds);
  return e;
}

Recipe read_edm_euler(JsonFields& f) {
  const EdmFields e = read_edm(f);
  EulerOptions own;
  own.level_at = edm_level;
  // diffusers calls the network before churn and reads its output F at the noisier level: x0 = c_skip x + c_out F.
  const double d = e.scaling.sigma_data;
  using L = const NoiseLevel&;
  own.x0_of_churned = [d](const Prediction& p, const Tensor& x, const Tensor& noisy, L from, L to) {
    const auto skip = [d](double sigma) { return d * d / (sigma * sigma + d * d); };
    const auto out = [d](double sigma) { return sigma * d / std::hypot(sigma, d); };
    const double carried = out(to.sigma) / out(from.sigma);
    return combine(1, combine(skip(to.sigma), noisy, -carried * skip(from.sigma), x), carried, p.x0);
  };
  return [=](const SamplingOptions& o) -> Sampling {
    EulerOptions options = own;
    options.churn = o.churn;
    const double scale = std::sqrt(e.sigma_max * e.sigma_max + 1);
    return {steps(e.levels(o, steps_or(o, 50))), bound(sample_euler, options), scale, e.adapter()};
  };
}

}  // namespace eddy::inline v0_1
