// Handles of tensors: making, reading, writing. Arithmetic is in ops.
#include "eddy/tensor.hpp"

#include <algorithm>
#include <cstring>

#include "eddy/error.hpp"
#include "tensor/storage.hpp"

namespace eddy::inline v0_1 {

namespace {

void require_defined(const Tensor& tensor, const char* operation) {
  if (!tensor.defined()) throw Error(std::string(operation) + ": the tensor is empty");
}

void require_dtype(const Tensor& tensor, DType dtype, const char* operation) {
  require_defined(tensor, operation);
  if (tensor.dtype() != dtype) {
    throw Error(std::string(operation) + ": needs elements of type " + name(dtype) + ", got " + name(tensor.dtype()));
  }
}

std::size_t bytes_of(const Shape& shape, DType dtype) {
  constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 62;
  const auto elements = static_cast<std::uint64_t>(shape.elements());
  if (elements > kMostBytes / size_of(dtype)) {
    throw Error("Tensor: shape " + to_string(shape) + " of " + name(dtype) + " has more than 2^62 bytes");
  }
  return static_cast<std::size_t>(elements) * size_of(dtype);
}

template <class T>
Tensor copy_from(std::span<const T> values, const Shape& shape, DType dtype, const Context& context) {
  if (static_cast<std::int64_t>(values.size()) != shape.elements()) {
    throw Error("Tensor::from: shape " + to_string(shape) + " has " + std::to_string(shape.elements()) +
                " elements, got " + std::to_string(values.size()) + " values");
  }
  Tensor result = Tensor::uninitialised(shape, dtype, context);
  if (!values.empty()) std::memcpy(Tensor::Access::write_raw(result), values.data(), values.size_bytes());
  return result;
}

}  // namespace

Tensor Tensor::Access::make(std::shared_ptr<Storage> storage, std::int64_t offset, const Shape& shape, DType dtype) {
  Tensor tensor;
  tensor.storage_ = std::move(storage);
  tensor.offset_ = offset;
  tensor.shape_ = shape;
  tensor.dtype_ = dtype;
  return tensor;
}

void* Tensor::Access::write_raw(const Tensor& tensor) {
  return static_cast<char*>(tensor.storage_->data) + static_cast<std::size_t>(tensor.offset_) * size_of(tensor.dtype_);
}

Tensor Tensor::uninitialised(const Shape& shape, DType dtype, const Context& context) {
  return Access::make(std::make_shared<Storage>(context, bytes_of(shape, dtype)), 0, shape, dtype);
}

Tensor Tensor::zeros(const Shape& shape, const Context& context) { return full(shape, 0, context); }

Tensor Tensor::full(const Shape& shape, float value, const Context& context) {
  Tensor result = uninitialised(shape, DType::f32, context);
  std::fill_n(Access::write(result), shape.elements(), value);
  return result;
}

Tensor Tensor::scalar(float value, const Context& context) { return full(Shape{}, value, context); }

Tensor Tensor::from(std::span<const float> values, const Shape& shape, const Context& context) {
  return copy_from(values, shape, DType::f32, context);
}
Tensor Tensor::from(std::initializer_list<float> values, const Shape& shape, const Context& context) {
  return copy_from(std::span<const float>(values.begin(), values.size()), shape, DType::f32, context);
}
Tensor Tensor::from(std::span<const std::int64_t> values, const Shape& shape, const Context& context) {
  return copy_from(values, shape, DType::i64, context);
}
Tensor Tensor::from(std::initializer_list<std::int64_t> values, const Shape& shape, const Context& context) {
  return copy_from(std::span<const std::int64_t>(values.begin(), values.size()), shape, DType::i64, context);
}

Tensor Tensor::borrow(void* data, const Shape& shape, std::function<void()> deleter, DType dtype,
                      const Context& context) {
  if (!deleter) deleter = [] {};
  try {
    const std::size_t bytes = bytes_of(shape, dtype);
    if (data == nullptr && bytes > 0) throw Error("Tensor::borrow: the pointer is null");
    if (reinterpret_cast<std::uintptr_t>(data) % size_of(dtype) != 0) {
      throw Error("Tensor::borrow: the pointer must be aligned to its elements");
    }
    return Access::make(std::make_shared<Storage>(context, data, bytes, deleter), 0, shape, dtype);
  } catch (...) {
    deleter();
    throw;
  }
}

const Context& Tensor::context() const {
  require_defined(*this, "Tensor::context");
  return storage_->context;
}

std::span<const float> Tensor::values() const {
  require_dtype(*this, DType::f32, "Tensor::values");
  return {Access::write(*this), static_cast<std::size_t>(elements())};
}

std::span<const std::int64_t> Tensor::integers() const {
  require_dtype(*this, DType::i64, "Tensor::integers");
  return {static_cast<const std::int64_t*>(raw()), static_cast<std::size_t>(elements())};
}

const void* Tensor::raw() const noexcept { return defined() ? Access::write_raw(*this) : nullptr; }

float Tensor::item() const {
  require_dtype(*this, DType::f32, "Tensor::item");
  if (elements() != 1) throw Error("Tensor::item: needs one element, got shape " + to_string(shape_));
  return values()[0];
}

void* Tensor::mutable_raw() {
  require_defined(*this, "Tensor::mutable_raw");
  if (storage_.use_count() > 1 && !(node_ && node_->parameter())) {
    throw Error("Tensor: other handles share this storage and would see the write; clone() it first");
  }
  if (node_) node_->written();
  return Access::write_raw(*this);
}

std::span<float> Tensor::mutable_values() {
  require_dtype(*this, DType::f32, "Tensor::mutable_values");
  return {static_cast<float*>(mutable_raw()), static_cast<std::size_t>(elements())};
}

std::span<std::int64_t> Tensor::mutable_integers() {
  require_dtype(*this, DType::i64, "Tensor::mutable_integers");
  return {static_cast<std::int64_t*>(mutable_raw()), static_cast<std::size_t>(elements())};
}

Tensor Tensor::rows(std::int64_t first, std::int64_t count) const {
  require_defined(*this, "Tensor::rows");
  if (rank() == 0 || first < 0 || count < 0 || first > extent(0) - count) {
    throw Error("Tensor::rows: " + std::to_string(count) + " rows from " + std::to_string(first) + " on, of shape " +
                to_string(shape_) + ", do not exist");
  }
  std::array<std::int64_t, Shape::kMaxRank> extents{};
  std::ranges::copy(shape_.extents(), extents.begin());
  const std::int64_t row = extent(0) > 0 ? elements() / extent(0) : 0;
  extents[0] = count;
  const Shape shape(std::span<const std::int64_t>(extents.data(), static_cast<std::size_t>(rank())));
  return Access::make(storage_, offset_ + first * row, shape, dtype_);
}

Tensor Tensor::viewed(const Shape& shape) const {
  require_defined(*this, "Tensor::viewed");
  if (shape.elements() != elements()) {
    throw Error("Tensor::viewed: shape " + to_string(shape) + " does not hold the elements of " + to_string(shape_));
  }
  return Access::make(storage_, offset_, shape, dtype_);
}

Tensor Tensor::clone() const {
  require_defined(*this, "Tensor::clone");
  Tensor result = uninitialised(shape_, dtype_, context());
  const std::size_t bytes = bytes_of(shape_, dtype_);
  if (bytes > 0) std::memcpy(Access::write_raw(result), raw(), bytes);
  return result;
}

bool Tensor::requires_grad() const noexcept { return node_ && node_->records(); }

Tensor Tensor::detached() const {
  Tensor result = *this;
  result.node_ = nullptr;
  return result;
}

}  // namespace eddy::inline v0_1
