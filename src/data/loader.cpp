// Batches as functions of their number. The order of the last epoch is kept; several host threads may ask at once.
#include <mutex>

#include "data/labels.hpp"
#include "eddy/data.hpp"
#include "eddy/error.hpp"
#include "eddy/random.hpp"

namespace eddy::inline v0_1 {

struct Loader::Epoch {
  std::uint64_t number;
  std::vector<std::int64_t> order;
};

struct Loader::Cache {
  std::mutex mutex;
  std::shared_ptr<const Epoch> last;
};

Loader::Loader(std::shared_ptr<const Dataset> data, const LoaderOptions& options)
    : data_(std::move(data)), options_(options), cache_(std::make_shared<Cache>()) {
  if (!data_ || data_->size() < 1) throw Error("Loader: the data set is empty");
  if (options_.batch_size < 1) throw Error("Loader: batch_size must be positive");
  if (options_.label_dropout > 0 && options_.no_label < 0) throw Error("Loader: label_dropout needs a row for no label");
}

std::shared_ptr<const Loader::Epoch> Loader::epoch(std::uint64_t number) const {
  {
    const std::lock_guard lock(cache_->mutex);
    if (cache_->last && cache_->last->number == number) return cache_->last;
  }
  auto order = keyed_permutation(options_.seed, {kShuffle, number}, data_->size());
  auto made = std::make_shared<const Epoch>(Epoch{number, std::move(order)});
  const std::lock_guard lock(cache_->mutex);
  return cache_->last = std::move(made);
}

namespace {

void flip_rows(std::span<float> picture, const Shape& shape) {
  const std::int64_t height = shape[0], width = shape[1], channels = shape[2];
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width / 2; ++x) {
      for (std::int64_t c = 0; c < channels; ++c) {
        std::swap(picture[static_cast<std::size_t>((y * width + x) * channels + c)],
                  picture[static_cast<std::size_t>((y * width + width - 1 - x) * channels + c)]);
      }
    }
  }
}

}  // namespace

Batch Loader::batch(std::uint64_t k, const Context& context) const {
  const Shape one = data_->sample_shape();
  std::vector<std::int64_t> extents{options_.batch_size};
  extents.insert(extents.end(), one.extents().begin(), one.extents().end());
  Batch result{.x = Tensor::uninitialised(Shape(std::span<const std::int64_t>(extents)), DType::f32, context)};
  std::vector<std::int64_t> labels;
  const auto row = static_cast<std::size_t>(one.elements());
  const std::span<float> values = result.x.mutable_values();
  const auto n = static_cast<std::uint64_t>(data_->size());
  std::shared_ptr<const Epoch> shuffled;
  for (std::int64_t i = 0; i < options_.batch_size; ++i) {
    const std::uint64_t position = k * static_cast<std::uint64_t>(options_.batch_size) + static_cast<std::uint64_t>(i);
    const std::span<float> out = values.subspan(static_cast<std::size_t>(i) * row, row);
    if (!shuffled || shuffled->number != position / n) shuffled = epoch(position / n);
    std::int64_t label = data_->fetch(shuffled->order[position % n], out);
    const auto coin = [&](Purpose purpose) { return keyed_uniform(options_.seed, {purpose, k}, i); };
    if (options_.flip && one.rank() == 3 && coin(kFlip) < 0.5) flip_rows(out, one);
    if (label >= 0 && options_.label_dropout > 0 && coin(kLabelDropout) < options_.label_dropout) label = options_.no_label;
    if (label >= 0) labels.push_back(label);
  }
  result.condition = labels_of("Loader", labels, options_.batch_size, context);
  return result;
}

}  // namespace eddy::inline v0_1
