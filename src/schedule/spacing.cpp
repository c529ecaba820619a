// Which timesteps n steps visit, and the steps between them.
//
//   linspace   round(linspace(0, T - 1, n)), reversed
//   leading    (n - 1 .. 0) (T // n) + offset
//   trailing   round(T - i T / n) - 1, i = 0 .. n - 1         rounding half to even, as numpy does
#include <algorithm>
#include <cmath>
#include <string>

#include "eddy/error.hpp"
#include "eddy/schedule.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr NoiseLevel kClean{0, 1, 0};
constexpr std::size_t kMostResampled = 1'000'000;

double half_to_even(double x) {
  const double floor = std::floor(x), rest = x - floor;
  if (rest != 0.5) return std::floor(x + 0.5);
  return std::fmod(floor, 2) == 0 ? floor : floor + 1;
}

std::vector<NoiseLevel> levels_of(const Schedule& schedule, const std::vector<int>& ts) {
  std::vector<NoiseLevel> levels;
  for (const int t : ts) levels.push_back(schedule.level(t));
  levels.push_back(kClean);
  return levels;
}

}  // namespace

std::vector<int> timesteps(int train_steps, int n, Spacing spacing, int steps_offset) {
  if (n < 1 || n > train_steps) {
    throw Error("timesteps: the number of steps must be in 1 to " + std::to_string(train_steps) + ", got " +
                std::to_string(n));
  }
  std::vector<int> result;
  for (int i = 0; i < n; ++i) {
    switch (spacing) {
      case Spacing::linspace: {
        const int j = n - 1 - i;
        const double t = n > 1 ? j * (static_cast<double>(train_steps - 1) / (n - 1)) : 0;
        result.push_back(static_cast<int>(half_to_even(t)));
        break;
      }
      case Spacing::leading:
        result.push_back((n - 1 - i) * (train_steps / n) + steps_offset);
        break;
      case Spacing::trailing: {
        const double ratio = static_cast<double>(train_steps) / n;
        result.push_back(static_cast<int>(half_to_even(train_steps - i * ratio)) - 1);
        break;
      }
    }
  }
  for (const int t : result) {
    if (t < 0 || t >= train_steps) throw Error("timesteps: steps_offset leads to t = " + std::to_string(t));
  }
  return result;
}

std::vector<NoiseLevel> linspace_levels(const Schedule& s, int n) {
  return levels_of(s, timesteps(s.steps(), n, Spacing::linspace));
}
std::vector<NoiseLevel> leading_levels(const Schedule& s, int n, int steps_offset) {
  return levels_of(s, timesteps(s.steps(), n, Spacing::leading, steps_offset));
}
std::vector<NoiseLevel> trailing_levels(const Schedule& s, int n) {
  return levels_of(s, timesteps(s.steps(), n, Spacing::trailing));
}

std::vector<Step> steps(std::span<const NoiseLevel> levels) {
  std::vector<Step> result;
  for (std::size_t i = 1; i < levels.size(); ++i) result.push_back({levels[i - 1], levels[i]});
  return result;
}

std::vector<Step> ddim_steps(const Schedule& s, int n, Spacing spacing, int steps_offset, bool set_alpha_to_one) {
  std::vector<Step> result;
  for (const int t : timesteps(s.steps(), n, spacing, steps_offset)) {
    const int to = t - s.steps() / n;
    const NoiseLevel last = set_alpha_to_one ? kClean : s.level(0);
    result.push_back({s.level(t), to >= 0 ? s.level(to) : last});
  }
  return result;
}

std::vector<Step> ddim_inversion_steps(const Schedule& s, int n, Spacing spacing, int steps_offset, bool set_alpha_to_one) {
  std::vector<Step> result = ddim_steps(s, n, spacing, steps_offset, set_alpha_to_one);
  std::ranges::reverse(result);
  for (Step& step : result) {
    std::swap(step.from, step.to);
    step.from.t = step.to.t;
  }
  return result;
}

std::vector<Step> ddpm_steps(const Schedule& s, int n, Spacing spacing, int steps_offset) {
  return steps(levels_of(s, timesteps(s.steps(), n, spacing, steps_offset)));
}

std::vector<Step> resampled_steps(std::span<const Step> steps, int jump_length, int jump_n_sample) {
  if (jump_length < 1 || jump_n_sample < 1) throw Error("resampled_steps: jump_length and jump_n_sample must be at least 1");
  const auto n = static_cast<int>(steps.size());
  std::vector<int> jumps(steps.size(), 0);  // left, after the step that begins t steps from the clean end
  for (int t = 0; t < n - jump_length; t += jump_length) jumps[static_cast<std::size_t>(t)] = jump_n_sample - 1;
  std::vector<Step> result;
  for (int t = n - 1; t >= 0; --t) {
    if (result.size() == kMostResampled) {
      throw Error("resampled_steps: jump_length " + std::to_string(jump_length) + " and jump_n_sample " +
                  std::to_string(jump_n_sample) + " make more than " + std::to_string(kMostResampled) + " steps of " +
                  std::to_string(n));
    }
    result.push_back(steps[static_cast<std::size_t>(n - 1 - t)]);
    int& left = jumps[static_cast<std::size_t>(t)];
    if (left-- > 0) t += jump_length;
  }
  return result;
}

}  // namespace eddy::inline v0_1
