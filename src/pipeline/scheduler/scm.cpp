// SCMScheduler: angles 1.5708, 1.3, 0 with two steps, else even ones from 1.5708 to 0; the level of t is (cos t, s sin t) with
// s = sigma_data, and the pipeline begins with noise of deviation s. TrigFlow's
// x0 = cos(t) x - s sin(t) F(x / s) is EDM's scaling with the sign of F turned [Lu2024, 2.1].
#include <algorithm>
#include <cmath>

#include "eddy/ops.hpp"
#include "pipeline/scheduler/recipe.hpp"
#include "schedule/linspace.hpp"

namespace eddy::inline v0_1 {

namespace {

std::vector<float> angles_of(const SamplingOptions& o, int train_steps) {
  if (!o.timesteps.empty()) {
    for (std::size_t i = 0; i < o.timesteps.size(); ++i) {
      if (!(o.timesteps[i] >= 0 && o.timesteps[i] <= 1.5708 && (i == 0 || o.timesteps[i] < o.timesteps[i - 1]))) {
        throw Error("sampling_of: timesteps of scm must be angles that fall, from 1.5708 to 0");
      }
    }
    if (o.timesteps.size() < 2) throw Error("sampling_of: timesteps of scm must be at least two angles, the last where it ends");
    return {o.timesteps.begin(), o.timesteps.end()};
  }
  const int n = steps_or(o, 2);
  if (n > train_steps) {
    throw Error("sampling_of: steps must be at most " + std::to_string(train_steps) + ", got " + std::to_string(n));
  }
  return n == 2 ? std::vector{1.5708f, 1.3f, 0.0f} : float_linspace(n + 1, 1.5708, 0);
}

}  // namespace

Recipe read_scm(JsonFields& f) {
  const int train_steps = static_cast<int>(f.integer("num_train_timesteps", 1000, 1, 1000000));
  if (f.text("prediction_type", "trigflow") != "trigflow") f.refuse("prediction_type", "trigflow");
  const double sigma_data = read_positive(f, "sigma_data", 0.5);
  return [=](const SamplingOptions& o) -> Sampling {
    std::vector<NoiseLevel> levels;
    for (const double t : angles_of(o, train_steps)) levels.push_back({t, std::max(0.0, std::cos(t)), sigma_data * std::sin(t)});
    const auto adapter = [sigma_data](Network network, Condition condition) -> Denoiser {
      const Denoiser denoise = from_edm(std::move(network), std::move(condition), {.sigma_data = sigma_data, .negative = true});
      return [denoise](const Tensor& x, std::span<const NoiseLevel> l) {
        Prediction p = denoise(x, l);
        // Beyond pi / 2 alpha is negative, which no level says.
        std::vector<double> beyond;
        for (const NoiseLevel& level : l) beyond.push_back(std::min(0.0, std::cos(level.t)));
        if (std::ranges::all_of(beyond, [](double alpha) { return alpha == 0; })) return p;
        p.x0 = l.size() == 1 ? combine(1, p.x0, beyond[0], x) : combine(std::vector<double>(l.size(), 1.0), p.x0, beyond, x);
        return p;
      };
    };
    return {steps(levels), bound(sample_consistency, ConsistencyOptions{}), sigma_data, adapter};
  };
}

}  // namespace eddy::inline v0_1
