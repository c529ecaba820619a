// Loss on samples that are never trained on, at fixed noise and levels: the curves of a run compare step by step.
#include <algorithm>

#include "data/labels.hpp"
#include "eddy/autograd.hpp"
#include "eddy/error.hpp"
#include "eddy/random.hpp"
#include "eddy/train.hpp"
#include "train/loss_check.hpp"

namespace eddy::inline v0_1 {

HeldOutLoss held_out_loss(const Network& network, const Dataset& data, const Loss& loss, std::int64_t count, std::uint64_t seed,
                          std::int64_t batch_size, const Context& context) {
  const std::int64_t n = std::min(count, data.size());
  if (n < 1) throw Error("held_out_loss: there are no samples");
  if (batch_size < 1) throw Error("held_out_loss: batch_size must be positive, got " + std::to_string(batch_size));
  const NoGrad no_grad;
  const Shape sample = data.sample_shape();
  const auto strata = keyed_permutation(seed, {kHeldOut}, n);  // each sample keeps its level
  std::array<double, 4> sums{}, counts{};
  for (std::int64_t first = 0; first < n; first += batch_size) {
    const std::int64_t size = std::min(batch_size, n - first);
    std::vector<std::int64_t> extents{size}, labels;
    for (const std::int64_t extent : sample.extents()) extents.push_back(extent);
    Batch batch{.x = Tensor::uninitialised(Shape(std::span<const std::int64_t>(extents)), DType::f32, context)};
    const auto row = static_cast<std::size_t>(sample.elements());
    Draw draw{.seed = seed, .step = 0xffffffffu, .first = first, .total = n};  // noise that no training step draws
    for (std::int64_t i = 0; i < size; ++i) {
      const std::int64_t label = data.fetch(first + i, batch.x.mutable_values().subspan(static_cast<std::size_t>(i) * row, row));
      if (label >= 0) labels.push_back(label);
      draw.quantiles.push_back((static_cast<double>(strata[static_cast<std::size_t>(first + i)]) + 0.5) / static_cast<double>(n));
    }
    batch.condition = labels_of("held_out_loss", labels, size, context);
    const Tensor values = loss(network, batch, draw);
    check_loss("held_out_loss", values, size);
    for (std::int64_t i = 0; i < size; ++i) {
      const auto quarter = static_cast<std::size_t>(4 * draw.quantiles[static_cast<std::size_t>(i)]);
      sums[quarter] += static_cast<double>(values.values()[static_cast<std::size_t>(i)]);
      counts[quarter] += 1;
    }
  }
  HeldOutLoss result;
  for (std::size_t q = 0; q < 4; ++q) {
    result.all += sums[q] / static_cast<double>(n);
    result.quarter[q] = counts[q] > 0 ? sums[q] / counts[q] : 0;
  }
  return result;
}

}  // namespace eddy::inline v0_1
