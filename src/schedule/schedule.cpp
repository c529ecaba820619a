// The table of a discrete schedule and its views.
//
// 1 - alpha_bar is carried beside alpha_bar: r_t = r_{t-1} + alpha_bar_{t-1} beta_t, a sum of positive terms, exact where
// 1 - (1 - tiny) would lose its digits.
#include "eddy/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

namespace {

template <class T>
void check_betas(const std::vector<T>& betas) {
  if (betas.empty()) throw Error("Schedule: needs at least one beta");
  for (std::size_t t = 0; t < betas.size(); ++t) {
    const T beta = betas[t];
    const bool last = t + 1 == betas.size();
    if (!(beta > 0) || beta > 1 || (beta == 1 && !last)) {
      throw Error("Schedule: beta " + std::to_string(t) + " must be in (0, 1), or 1 at the end, got " + std::to_string(beta));
    }
  }
}

}  // namespace

Schedule::Schedule(std::vector<double> betas) : betas_(std::move(betas)) {
  check_betas(betas_);
  double product = 1, rest = 0;
  for (const double beta : betas_) {
    rest += product * beta;
    product *= 1 - beta;
    alpha_bars_.push_back(product);
    rests_.push_back(rest);
  }
}

// linspace and the curves are float32 in diffusers, cumprod multiplies in double and rounds each entry.
Schedule Schedule::diffusers(std::span<const double> betas, bool zero_terminal_snr) {
  std::vector<float> rounded(betas.begin(), betas.end());
  check_betas(rounded);
  if (zero_terminal_snr) {
    std::vector<float> roots;
    double product = 1;
    for (const float beta : rounded) roots.push_back(std::sqrt(static_cast<float>(product *= 1.0f - beta)));
    const float first = roots.front(), last = roots.back();
    if (first == last) throw Error("Schedule: to reach SNR 0 at the end, the last level must be noisier than the first");
    for (float& root : roots) root = (root - last) * (first / (first - last));
    float before = 1;
    for (std::size_t t = 0; t < roots.size(); ++t) {
      const float now = roots[t] * roots[t];
      rounded[t] = 1 - (t == 0 ? now : now / before);
      before = now;
    }
  }
  Schedule schedule;
  double product = 1;
  for (const float beta : rounded) {
    product *= 1.0f - beta;
    const float alpha_bar = static_cast<float>(product);
    schedule.betas_.push_back(beta);
    schedule.alpha_bars_.push_back(alpha_bar);
    schedule.rests_.push_back(1.0f - alpha_bar);
  }
  return schedule;
}

void Schedule::check(int t) const {
  if (t < 0 || t >= steps()) {
    throw Error("Schedule: t must be in [0, " + std::to_string(steps()) + "), got " + std::to_string(t));
  }
}

double Schedule::beta(int t) const { return check(t), betas_[static_cast<std::size_t>(t)]; }
double Schedule::alpha_bar(int t) const { return check(t), alpha_bars_[static_cast<std::size_t>(t)]; }
double Schedule::one_minus_alpha_bar(int t) const { return check(t), rests_[static_cast<std::size_t>(t)]; }
double Schedule::alpha(int t) const { return std::sqrt(alpha_bar(t)); }
double Schedule::sigma(int t) const { return std::sqrt(one_minus_alpha_bar(t)); }
double Schedule::snr(int t) const { return alpha_bar(t) / one_minus_alpha_bar(t); }
double Schedule::log_snr(int t) const { return std::log(snr(t)); }
double Schedule::ve_sigma(int t) const { return std::sqrt(one_minus_alpha_bar(t) / alpha_bar(t)); }
NoiseLevel Schedule::level(int t) const { return {static_cast<double>(t), alpha(t), sigma(t)}; }

NoiseLevel Schedule::level_at(double t) const {
  if (!(t >= 0) || t > steps() - 1) {
    throw Error("Schedule: t must be in [0, " + std::to_string(steps() - 1) + "], got " + std::to_string(t));
  }
  const int low = static_cast<int>(t);
  const double u = t - low;
  if (u == 0) return level(low);
  if (alpha_bar(low + 1) == 0) {
    throw Error("Schedule: between t " + std::to_string(low) + " and the last, where alpha is 0, log-SNR is not finite");
  }
  const double log_snr_t = log_snr(low) + u * (log_snr(low + 1) - log_snr(low));
  return {t, std::sqrt(1 / (1 + std::exp(-log_snr_t))), std::sqrt(1 / (1 + std::exp(log_snr_t)))};
}

double Schedule::t_of_log_snr(double wanted) const {
  int low = 0, high = alpha_bars_.back() == 0 ? steps() - 2 : steps() - 1;  // log-SNR falls with t
  if (high < 0 || wanted >= log_snr(0)) return 0;
  if (wanted <= log_snr(high)) return high;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (log_snr(middle) > wanted ? low : high) = middle;
  }
  return low + (log_snr(low) - wanted) / (log_snr(low) - log_snr(high));
}

Schedule linear_schedule(int n, double beta_start, double beta_end) { return Schedule(linear_betas(n, beta_start, beta_end)); }
Schedule scaled_linear_schedule(int n, double beta_start, double beta_end) {
  return Schedule(scaled_linear_betas(n, beta_start, beta_end));
}
Schedule cosine_schedule(int n) { return Schedule(cosine_betas(n)); }
Schedule sigmoid_schedule(int n, double beta_start, double beta_end) {
  return Schedule(sigmoid_betas(n, beta_start, beta_end));
}

Schedule zero_terminal_snr(const Schedule& schedule) {
  std::vector<double> betas;
  for (int t = 0; t < schedule.steps(); ++t) betas.push_back(schedule.beta(t));
  return Schedule(rescale_zero_terminal_snr(betas));
}

}  // namespace eddy::inline v0_1
