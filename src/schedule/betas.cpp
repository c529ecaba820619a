// Lists of betas. beta_t = 1 - alpha_bar_t / alpha_bar_{t-1}.
#include <algorithm>
#include <cmath>
#include <string>

#include "eddy/error.hpp"
#include "eddy/schedule.hpp"
#include "schedule/linspace.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr double kPi = 3.14159265358979323846;

void check_steps(int steps) {
  if (steps < 1) throw Error("schedule: the number of steps must be positive, got " + std::to_string(steps));
}

std::vector<double> between(int steps, double first, double last) {
  check_steps(steps);
  std::vector<double> result(static_cast<std::size_t>(steps));
  for (int i = 0; i < steps; ++i) {
    const double u = steps > 1 ? static_cast<double>(i) / (steps - 1) : 0;
    result[static_cast<std::size_t>(i)] = first + (last - first) * u;
  }
  return result;
}

}  // namespace

std::vector<double> linear_betas(int steps, double beta_start, double beta_end) {
  return between(steps, beta_start, beta_end);
}

std::vector<double> scaled_linear_betas(int steps, double beta_start, double beta_end) {
  std::vector<double> betas = between(steps, std::sqrt(beta_start), std::sqrt(beta_end));
  for (double& beta : betas) beta *= beta;
  return betas;
}

namespace {

// 1 - alpha_bar((i + 1) / n) / alpha_bar(i / n), at most `largest`.
template <class F>
std::vector<double> betas_of(int steps, double largest, const F& alpha_bar) {
  check_steps(steps);
  std::vector<double> betas(static_cast<std::size_t>(steps));
  for (int i = 0; i < steps; ++i) {
    const double before = alpha_bar(static_cast<double>(i) / steps), after = alpha_bar((i + 1.0) / steps);
    betas[static_cast<std::size_t>(i)] = std::min(1 - after / before, largest);
  }
  return betas;
}

double laplace_snr(double u, double mu, double b) {  // 1e-6: finite at both ends
  return std::exp(mu - b * (u <= 0.5 ? 1 : -1) * std::log(1 - 2 * std::abs(0.5 - u) + 1e-6));
}

}  // namespace

std::vector<double> cosine_betas(int steps, double largest) {
  return betas_of(steps, largest, [](double u) {
    const double c = std::cos((u + 0.008) / 1.008 * kPi / 2);
    return c * c;
  });
}

std::vector<double> laplace_betas(int steps, double mu, double b, double largest) {
  return betas_of(steps, largest, [=](double u) {
    const double snr = laplace_snr(u, mu, b);
    return snr / (1 + snr);
  });
}

std::vector<double> exponential_betas(int steps, double largest) {
  check_steps(steps);
  return std::vector<double>(static_cast<std::size_t>(steps), std::min(-std::expm1(-12.0 / steps), largest));
}

std::vector<double> sigmoid_betas(int steps, double beta_start, double beta_end) {
  std::vector<double> betas = between(steps, -6, 6);
  for (double& beta : betas) beta = (beta_end - beta_start) / (1 + std::exp(-beta)) + beta_start;
  return betas;
}

std::vector<double> rescale_zero_terminal_snr(std::span<const double> betas) {
  std::vector<double> roots;  // sqrt(alpha_bar)
  double product = 1;
  for (const double beta : betas) roots.push_back(std::sqrt(product *= 1 - beta));
  if (roots.size() < 2) throw Error("rescale_zero_terminal_snr: needs at least two betas");
  const double first = roots.front(), last = roots.back();
  std::vector<double> result;
  double before = 1;  // alpha_bar
  for (const double root : roots) {
    const double moved = (root - last) * first / (first - last), now = moved * moved;
    result.push_back(1 - now / before);
    before = now;
  }
  return result;
}

std::vector<float> float_linspace(int n, double first, double last) {
  check_steps(n);
  const auto a = static_cast<float>(first), b = static_cast<float>(last);
  const double step = n > 1 ? static_cast<double>((b - a) / static_cast<float>(n - 1)) : 0;
  std::vector<float> result;
  for (int i = 0; i < n; ++i) {
    const double x = i < n / 2 || n == 1 ? static_cast<double>(a) + step * i : static_cast<double>(b) - step * (n - 1 - i);
    result.push_back(static_cast<float>(x));
  }
  return result;
}

std::vector<double> diffusers_betas(const std::string& name, int steps, double beta_start, double beta_end) {
  if (name == "squaredcos_cap_v2") return cosine_betas(steps);
  if (name == "exp") return exponential_betas(steps);
  if (name == "laplace") {  // takes alpha where alpha_bar = alpha^2 belongs
    return betas_of(steps, 0.999, [](double u) {
      const double snr = laplace_snr(u, 0, 0.5);
      return std::sqrt(snr / (1 + snr));
    });
  }
  const bool scaled = name == "scaled_linear", sigmoid = name == "sigmoid";
  if (name != "linear" && !scaled && !sigmoid) {
    throw Error("diffusers_betas: beta_schedule must be linear, scaled_linear, squaredcos_cap_v2, exp, sigmoid or laplace, got " +
                name);
  }
  std::vector<float> x = scaled    ? float_linspace(steps, std::sqrt(beta_start), std::sqrt(beta_end))
                         : sigmoid ? float_linspace(steps, -6, 6)
                                   : float_linspace(steps, beta_start, beta_end);
  for (float& beta : x) {
    if (scaled) beta *= beta;
    if (sigmoid) {
      beta = static_cast<float>(1 / (1 + std::exp(-static_cast<double>(beta)))) * static_cast<float>(beta_end - beta_start) +
             static_cast<float>(beta_start);
    }
  }
  return {x.begin(), x.end()};
}

}  // namespace eddy::inline v0_1
