// Lists of sigmas at alpha = 1, noisy first, the closing 0 left out. u = i / (n - 1), i = 0 .. n - 1:
//
//   karras           (max^(1/rho) + u (min^(1/rho) - max^(1/rho)))^rho          [Karras2022, Eq. 5]
//   exponential      max (min / max)^u: even in ln sigma
//   polyexponential  ln sigma = ln min + (1 - u)^rho (ln max - ln min)          [Crowson2022]
//   beta             min + F^-1(1 - u) (max - min), F that of Beta(a, b)        [Lee2024]
//   lu               -ln sigma even after a root of degree rho that keeps its sign; rho = 1: the uniform log-SNR of [Lu2022]
//   simple           every (T / n)-th of the table, from its noisy end          [Comfy2023]
//   sgm uniform      t even on [0, T - 1], without the clean end; ln sigma linear in t between the table's entries [Comfy2023]
//   ays              the ten steps of [Sabour2024], and ln sigma linear between them for other n
#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "eddy/error.hpp"
#include "eddy/schedule.hpp"
#include "schedule/beta_distribution.hpp"

namespace eddy::inline v0_1 {

namespace {

void check_count(const char* name, int n) {
  if (n < 1) throw Error(std::string(name) + ": the number of sigmas must be positive, got " + std::to_string(n));
}

void check_range(const char* name, int n, double low, double high) {
  check_count(name, n);
  if (!(low > 0 && high >= low && std::isfinite(high))) {
    throw Error(std::string(name) + ": needs 0 < sigma_min <= sigma_max, got " + std::to_string(low) + " and " +
                std::to_string(high));
  }
}

void check_rho(const char* name, double rho) {
  if (!(rho > 0 && std::isfinite(rho))) {
    throw Error(std::string(name) + ": rho must be above 0 and finite, got " + std::to_string(rho));
  }
}

template <class F>
std::vector<double> ramp(int n, const F& f) {
  std::vector<double> result;
  for (int i = 0; i < n; ++i) result.push_back(f(n > 1 ? static_cast<double>(i) / (n - 1) : 0.0));
  return result;
}

// ln y linear between y[0] .. y.back(), at a place counted in entries.
double log_linear(std::span<const double> y, double place) {
  const auto low = std::min(static_cast<std::size_t>(place), y.size() - 2);
  const double u = place - static_cast<double>(low);
  if (u == 0 || u == 1) return y[low + (u == 1)];
  return std::exp((1 - u) * std::log(y[low]) + u * std::log(y[low + 1]));
}

void check_table(const char* name, int n, std::span<const double> table) {
  check_count(name, n);
  if (table.size() < 2) throw Error(std::string(name) + ": needs a table of at least two sigmas");
}

// The authors' tables in the digits that ComfyUI has.
constexpr std::array<double, 11> kSd{14.6146412293, 6.4745760956, 3.8636745985, 2.6946151520, 1.8841921177, 1.3943805092,
                                     0.9642583904,  0.6523686016, 0.3977456272, 0.1515232662, 0.0291671582};
constexpr std::array<double, 11> kSdxl{14.6146412293, 6.3184485287, 3.7681790315, 2.1811480769, 1.3405244945, 0.8620721141,
                                       0.5550693289,  0.3798540708, 0.2332364134, 0.1114188177, 0.0291671582};
constexpr std::array<double, 11> kSvd{700, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002};

}  // namespace

std::vector<double> karras_sigmas(int n, double sigma_min, double sigma_max, double rho) {
  check_range("karras_sigmas", n, sigma_min, sigma_max);
  check_rho("karras_sigmas", rho);
  const double low = std::pow(sigma_min, 1 / rho), high = std::pow(sigma_max, 1 / rho);
  return ramp(n, [=](double u) { return std::pow(high + u * (low - high), rho); });
}

std::vector<double> exponential_sigmas(int n, double sigma_min, double sigma_max) {
  check_range("exponential_sigmas", n, sigma_min, sigma_max);
  const double low = std::log(sigma_min), high = std::log(sigma_max);
  return ramp(n, [=](double u) { return std::exp(high + u * (low - high)); });
}

std::vector<double> polyexponential_sigmas(int n, double sigma_min, double sigma_max, double rho) {
  check_range("polyexponential_sigmas", n, sigma_min, sigma_max);
  check_rho("polyexponential_sigmas", rho);
  const double low = std::log(sigma_min), high = std::log(sigma_max);
  return ramp(n, [=](double u) { return std::exp(low + std::pow(1 - u, rho) * (high - low)); });
}

std::vector<double> beta_sigmas(int n, double sigma_min, double sigma_max, double a, double b) {
  check_range("beta_sigmas", n, sigma_min, sigma_max);
  for (const double shape : {a, b}) {
    if (shape > 0 && shape <= kLargestBetaShape) continue;
    throw Error("beta_sigmas: a and b must be above 0 and at most 10000, got " + std::to_string(shape));
  }
  return ramp(n, [=](double u) { return sigma_min + beta_quantile(1 - u, a, b) * (sigma_max - sigma_min); });
}

std::vector<double> lu_sigmas(int n, double sigma_min, double sigma_max, double rho) {
  check_range("lu_sigmas", n, sigma_min, sigma_max);
  check_rho("lu_sigmas", rho);
  const auto power = [](double x, double p) { return std::copysign(std::pow(std::abs(x), p), x); };
  const double first = power(-std::log(sigma_max), 1 / rho), last = power(-std::log(sigma_min), 1 / rho);
  return ramp(n, [=](double u) { return std::exp(-power(first + u * (last - first), rho)); });
}

std::vector<double> simple_sigmas(int n, std::span<const double> table) {
  check_table("simple_sigmas", n, table);
  std::vector<double> result;
  const double stride = static_cast<double>(table.size()) / n;
  for (int i = 0; i < n; ++i) result.push_back(table[table.size() - 1 - static_cast<std::size_t>(i * stride)]);
  return result;
}

std::vector<double> sgm_uniform_sigmas(int n, std::span<const double> table) {
  check_table("sgm_uniform_sigmas", n, table);
  std::vector<double> result;
  const double last = static_cast<double>(table.size() - 1);
  for (int i = 0; i < n; ++i) result.push_back(log_linear(table, last - i * last / n));
  return result;
}

std::vector<double> ays_sigmas(int n, AysTable table) {
  check_count("ays_sigmas", n);
  const std::span<const double> y = table == AysTable::sd ? kSd : table == AysTable::sdxl ? kSdxl : kSvd;
  std::vector<double> result;
  for (int i = 0; i < n; ++i) result.push_back(log_linear(y, i * 10.0 / n));
  return result;
}

NoiseLevel edm_level(double sigma) {
  if (!(sigma > 0 && std::isfinite(sigma))) {
    throw Error("edm_level: sigma must be finite and above 0, got " + std::to_string(sigma));
  }
  return {std::log(sigma) / 4, 1, sigma};
}

std::vector<double> training_sigmas(const Schedule& schedule) {
  std::vector<double> result;
  for (int t = 0; t < schedule.steps(); ++t) result.push_back(schedule.ve_sigma(t));
  return result;
}

}  // namespace eddy::inline v0_1
