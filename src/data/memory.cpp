// Data sets in memory.
#include <algorithm>
#include <cstring>

#include "base/hash.hpp"
#include "eddy/data.hpp"
#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

Dataset::~Dataset() = default;

namespace {

std::uint64_t hash_of(const void* data, std::size_t bytes, std::uint64_t hash = kHashStart) {
  return fnv1a({static_cast<const char*>(data), bytes}, hash);
}

void check_labels(const std::vector<std::int64_t>& labels, std::int64_t n, const std::vector<std::string>& names) {
  if (labels.empty()) return;
  if (static_cast<std::int64_t>(labels.size()) != n) {
    throw Error("data: " + std::to_string(labels.size()) + " labels for " + std::to_string(n) + " samples");
  }
  for (const std::int64_t label : labels) {
    if (label < 0 || label >= static_cast<std::int64_t>(names.size())) {
      throw Error("data: label " + std::to_string(label) + " has no class name (" + std::to_string(names.size()) + " given)");
    }
  }
}

class Pictures final : public Dataset {
 public:
  Pictures(std::vector<std::uint8_t> bytes, const Shape& shape, std::vector<std::int64_t> labels,
           std::vector<std::string> names)
      : bytes_(std::move(bytes)), shape_(shape), labels_(std::move(labels)), names_(std::move(names)) {
    const auto row = static_cast<std::size_t>(shape.elements());
    if (row == 0 || bytes_.size() % row != 0) {
      throw Error("data: " + std::to_string(bytes_.size()) + " bytes are not pictures of shape " + to_string(shape));
    }
    n_ = static_cast<std::int64_t>(bytes_.size() / row);
    check_labels(labels_, n_, names_);
    fingerprint_ = hash_of(labels_.data(), labels_.size() * 8, hash_of(bytes_.data(), bytes_.size()));
  }
  std::int64_t size() const override { return n_; }
  Shape sample_shape() const override { return shape_; }
  std::int64_t fetch(std::int64_t i, std::span<float> out) const override {
    const std::uint8_t* from = bytes_.data() + i * shape_.elements();
    for (std::size_t k = 0; k < out.size(); ++k) out[k] = static_cast<float>(from[k]) / 127.5f - 1.0f;
    return labels_.empty() ? -1 : labels_[static_cast<std::size_t>(i)];
  }
  std::vector<std::string> class_names() const override { return names_; }
  std::uint64_t fingerprint() const override { return fingerprint_; }

 private:
  std::vector<std::uint8_t> bytes_;
  Shape shape_;
  std::vector<std::int64_t> labels_;
  std::vector<std::string> names_;
  std::int64_t n_ = 0;
  std::uint64_t fingerprint_ = 0;
};

class Samples final : public Dataset {
 public:
  Samples(const Tensor& x, std::vector<std::int64_t> labels, std::vector<std::string> names)
      : x_(x.detached()), labels_(std::move(labels)), names_(std::move(names)) {
    if (x.rank() < 2) throw Error("data: samples must be (N, ...), got " + to_string(x.shape()));
    shape_ = Shape(x.shape().extents().subspan(1));
    check_labels(labels_, x.extent(0), names_);
    fingerprint_ = hash_of(labels_.data(), labels_.size() * 8, hash_of(x.raw(), x.values().size_bytes()));
  }
  std::int64_t size() const override { return x_.extent(0); }
  Shape sample_shape() const override { return shape_; }
  std::int64_t fetch(std::int64_t i, std::span<float> out) const override {
    std::ranges::copy(x_.values().subspan(static_cast<std::size_t>(i) * out.size(), out.size()), out.begin());
    return labels_.empty() ? -1 : labels_[static_cast<std::size_t>(i)];
  }
  std::vector<std::string> class_names() const override { return names_; }
  std::uint64_t fingerprint() const override { return fingerprint_; }

 private:
  Tensor x_;
  std::vector<std::int64_t> labels_;
  std::vector<std::string> names_;
  Shape shape_;
  std::uint64_t fingerprint_ = 0;
};

class Subset final : public Dataset {
 public:
  Subset(std::shared_ptr<const Dataset> data, std::vector<std::int64_t> indices)
      : data_(std::move(data)), indices_(std::move(indices)) {
    if (!data_) throw Error("subset: there is no data set");
    for (const std::int64_t i : indices_) {
      if (i < 0 || i >= data_->size()) throw Error("subset: there is no sample " + std::to_string(i));
    }
  }
  std::int64_t size() const override { return static_cast<std::int64_t>(indices_.size()); }
  Shape sample_shape() const override { return data_->sample_shape(); }
  std::int64_t fetch(std::int64_t i, std::span<float> out) const override {
    return data_->fetch(indices_[static_cast<std::size_t>(i)], out);
  }
  std::vector<std::string> class_names() const override { return data_->class_names(); }
  std::uint64_t fingerprint() const override {
    return hash_of(indices_.data(), indices_.size() * 8, data_->fingerprint());
  }

 private:
  std::shared_ptr<const Dataset> data_;
  std::vector<std::int64_t> indices_;
};

}  // namespace

std::shared_ptr<const Dataset> memory_pictures(std::vector<std::uint8_t> bytes, const Shape& shape,
                                               std::vector<std::int64_t> labels, std::vector<std::string> names) {
  return std::make_shared<Pictures>(std::move(bytes), shape, std::move(labels), std::move(names));
}
std::shared_ptr<const Dataset> memory_samples(const Tensor& x, std::vector<std::int64_t> labels,
                                              std::vector<std::string> names) {
  return std::make_shared<Samples>(x, std::move(labels), std::move(names));
}
std::shared_ptr<const Dataset> subset(std::shared_ptr<const Dataset> data, std::vector<std::int64_t> indices) {
  return std::make_shared<Subset>(std::move(data), std::move(indices));
}

}  // namespace eddy::inline v0_1
