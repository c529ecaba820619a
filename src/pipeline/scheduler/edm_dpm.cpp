// EDMDPMSolverMultistepScheduler: DPM-Solver++ at alpha = 1 for a network with the scales of [Karras2022, Table 1]:
//
//   x0 = c_skip x + c_out F(c_in x, ln(sigma) / 4),  d = sigma^2 + sigma_data^2
//   c_skip = sigma_data^2 / d,  c_out = sigma sigma_data / sqrt(d),  c_in = 1 / sqrt(d);  eps = (x - x0) / sigma without a difference
//
// diffusers' v_prediction turns the sign of F.
#include <algorithm>
#include <cmath>

#include "eddy/ops.hpp"
#include "pipeline/scheduler/dpm.hpp"

namespace eddy::inline v0_1 {

namespace {

Adapter edm_adapter(double sigma_data, double sign) {
  return [=](Network network, Condition condition) -> Denoiser {
    const Denoiser raw = from_eps(std::move(network), std::move(condition));
    return [=](const Tensor& x, std::span<const NoiseLevel> levels) -> Prediction {
      const auto n = static_cast<std::size_t>(x.extent(0));
      std::vector<NoiseLevel> unscaled;
      std::vector<double> in, skip, out, of_x, of_f;
      for (std::size_t i = 0; i < n; ++i) {
        const NoiseLevel& level = levels[levels.size() == 1 ? 0 : i];
        const double k = level.alpha, sigma = level.sigma / k, root = std::hypot(sigma, sigma_data);
        unscaled.push_back({level.t, 1, 0});
        in.push_back(1 / (k * root));
        skip.push_back(sigma_data * sigma_data / (root * root * k));
        out.push_back(sign * sigma * sigma_data / root);
        of_x.push_back(sigma / (root * root * k));
        of_f.push_back(-sign * sigma_data / root);
      }
      const std::vector<double> nothing(n, 0.0);
      const Prediction p = raw(combine(in, x, nothing, x), unscaled);  // its eps is the network's output
      return {combine(skip, x, out, p.eps), combine(of_x, x, of_f, p.eps), p.variance};
    };
  };
}

// torch.linspace(first, last, n) in float32: from both ends, each entry rounded once.
std::vector<float> float_ramp(int n, double first, double last) {
  const auto a = static_cast<float>(first), b = static_cast<float>(last);
  const double step = n > 1 ? static_cast<double>((b - a) / static_cast<float>(n - 1)) : 0;
  std::vector<float> result;
  for (int i = 0; i < n; ++i) {
    const double x = i < n / 2 || n == 1 ? static_cast<double>(a) + step * i : static_cast<double>(b) - step * (n - 1 - i);
    result.push_back(static_cast<float>(x));
  }
  return result;
}

enum class EdmList { karras, exponential };

struct EdmGrid {
  EdmList list;
  double sigma_min, sigma_max, rho;
  bool ends_at_zero;
};

std::vector<Step> steps_of(const EdmGrid& grid, int n) {
  std::vector<float> sigmas;
  if (grid.list == EdmList::karras) {
    const double low = std::pow(grid.sigma_min, 1 / grid.rho), high = std::pow(grid.sigma_max, 1 / grid.rho);
    for (const float u : float_ramp(n, 0, 1)) {
      const float root = static_cast<float>(high) + u * static_cast<float>(low - high);
      sigmas.push_back(static_cast<float>(std::pow(static_cast<double>(root), grid.rho)));
    }
  } else {
    for (const float log : float_ramp(n, std::log(grid.sigma_min), std::log(grid.sigma_max))) {
      sigmas.insert(sigmas.begin(), static_cast<float>(std::exp(static_cast<double>(log))));
    }
  }
  std::vector<NoiseLevel> levels;
  for (const float sigma : sigmas) {
    levels.push_back({static_cast<double>(0.25f * static_cast<float>(std::log(static_cast<double>(sigma)))), 1, sigma});
  }
  const float smallest = std::min(static_cast<float>(grid.sigma_min), sigmas.back());  // rounding may put it above
  levels.push_back({0, 1, grid.ends_at_zero ? 0 : smallest});
  return steps(levels);
}

EdmGrid read_grid(JsonFields& f) {
  static const Names<EdmList> kLists{{"karras", EdmList::karras}, {"exponential", EdmList::exponential}};
  EdmGrid grid{};
  grid.sigma_min = f.number("sigma_min", 0.002);
  grid.sigma_max = f.number("sigma_max", 80);
  grid.rho = f.number("rho", 7);
  if (!(grid.sigma_min > 0)) f.refuse("sigma_min", "above 0");
  if (!(grid.sigma_max >= grid.sigma_min)) f.refuse("sigma_max", "at least sigma_min");
  if (!(grid.rho > 0)) f.refuse("rho", "above 0");
  grid.list = named(f, "sigma_schedule", f.text("sigma_schedule", "karras"), kLists);
  grid.ends_at_zero = read_ends_at_zero(f);
  f.integer("num_train_timesteps", 1000, 1, 1000000);
  return grid;
}

}  // namespace

Recipe read_edm_dpm_multistep(JsonFields& f) {
  static const Names<Algorithm> kAlgorithms{{"dpmsolver++", {Integrand::x0, 0}},
                                            {"sde-dpmsolver++", {Integrand::x0, 1}},
                                            {"deis", {Integrand::x0, 0}}};
  static const Names<double> kSigns{{"epsilon", 1}, {"v_prediction", -1}};
  const EdmGrid grid = read_grid(f);
  const double sigma_data = f.number("sigma_data", 0.5);
  if (!(sigma_data > 0)) f.refuse("sigma_data", "above 0");
  const Algorithm algorithm = read_algorithm(f, kAlgorithms);
  DpmMultistepOptions own;
  own.order = static_cast<int>(f.integer("solver_order", 2, 1, 3));
  own.second_order = read_second_order(f);
  own.lower_order_final = f.boolean("lower_order_final", true);
  own.euler_at_final = f.boolean("euler_at_final", false);
  own.diffusers_third_order = true;
  own.clip = read_thresholding(f);
  const Adapter adapter = edm_adapter(sigma_data, named(f, "prediction_type", f.text("prediction_type", "epsilon"), kSigns));
  const double scale = std::sqrt(grid.sigma_max * grid.sigma_max + 1);
  return [=](const SamplingOptions& o) -> Sampling {
    DpmMultistepOptions options = own;
    options.eta = o.eta.value_or(algorithm.eta);
    return {steps_of(grid, steps_or(o, 50)), bound(sample_dpm_multistep, options), scale, adapter};
  };
}

}  // namespace eddy::inline v0_1
