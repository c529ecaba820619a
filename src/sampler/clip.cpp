// Limiting the predicted x0: to a range, or by dynamic thresholding [Saharia2022, 2.3]:
//
//   s = quantile(|x0|, ratio) of a sample, at least 1, then at most largest;  x0 <- clamp(x0, -s, s) / s
//
// The quantile interpolates between order statistics, as torch.quantile does. With largest = 1, diffusers' default, this is
// plain clipping.
#include <algorithm>
#include <cmath>
#include <vector>

#include "eddy/error.hpp"
#include "eddy/ops.hpp"
#include "eddy/sampler.hpp"

namespace eddy::inline v0_1 {

namespace {

double quantile(std::vector<float> values, double ratio) {
  const double at = ratio * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(low);
  std::nth_element(values.begin(), nth, values.end());
  const double first = *nth;
  if (low + 1 == values.size()) return first;
  const double second = *std::min_element(nth + 1, values.end());
  return first + (at - static_cast<double>(low)) * (second - first);
}

Tensor thresholded(const Tensor& x0, const Clip& clip) {
  Tensor result = x0.clone();
  if (x0.elements() == 0) return result;
  const auto row = static_cast<std::size_t>(x0.elements() / x0.extent(0));
  const std::span<float> values = result.mutable_values();
  for (std::size_t first = 0; first < values.size(); first += row) {
    const std::span<float> sample = values.subspan(first, row);
    std::vector<float> sizes(row);
    std::ranges::transform(sample, sizes.begin(), [](float v) { return std::abs(v); });
    const float s = static_cast<float>(std::min(std::max(quantile(std::move(sizes), clip.ratio), 1.0), clip.largest));
    for (float& v : sample) v = std::clamp(v, -s, s) / s;
  }
  return result;
}

}  // namespace

Tensor clipped(const Tensor& x0, const Clip& clip) {
  switch (clip.kind) {
    case Clip::Kind::none:
      return x0;
    case Clip::Kind::range:
      if (!(clip.range > 0)) throw Error("clip: the range must be positive");
      return clamp(x0, -clip.range, clip.range);
    case Clip::Kind::dynamic:
      if (!(clip.ratio > 0 && clip.ratio <= 1 && clip.largest > 0)) {
        throw Error("clip: dynamic thresholding needs a ratio in (0, 1] and a largest above 0");
      }
      return thresholded(x0, clip);
  }
  return x0;
}

}  // namespace eddy::inline v0_1
