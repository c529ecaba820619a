// Extents and element types of tensors.
#include <algorithm>

#include "eddy/error.hpp"
#include "eddy/tensor.hpp"

namespace eddy::inline v0_1 {

namespace {
constexpr std::int64_t kMaxElements = std::int64_t{1} << 62;
}

Shape::Shape(std::initializer_list<std::int64_t> extents)
    : Shape(std::span<const std::int64_t>(extents.begin(), extents.size())) {}

Shape::Shape(std::span<const std::int64_t> extents) {
  if (extents.size() > kMaxRank) {
    throw Error("shape: at most " + std::to_string(kMaxRank) + " extents, got " + std::to_string(extents.size()));
  }
  std::int64_t product = 1;
  for (const std::int64_t extent : extents) {
    if (extent < 0) throw Error("shape: extents must not be negative, got " + std::to_string(extent));
    if (extent > 0 && product > kMaxElements / extent) throw Error("shape: more than 2^62 elements");
    product *= std::max<std::int64_t>(extent, 1);
    extents_[static_cast<std::size_t>(rank_++)] = extent;
  }
}

std::int64_t Shape::operator[](int i) const {
  const int index = i < 0 ? i + rank_ : i;
  if (index < 0 || index >= rank_) {
    throw Error("shape: extent " + std::to_string(i) + " of " + to_string(*this) + " does not exist");
  }
  return extents_[static_cast<std::size_t>(index)];
}

std::int64_t Shape::elements() const noexcept {
  std::int64_t product = 1;
  for (const std::int64_t extent : extents()) product *= extent;
  return product;
}

bool operator==(const Shape& a, const Shape& b) noexcept { return std::ranges::equal(a.extents(), b.extents()); }

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (int i = 0; i < shape.rank(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + ")";
}

const char* name(DType dtype) noexcept {
  switch (dtype) {
    case DType::f32:
      return "f32";
    case DType::f16:
      return "f16";
    case DType::bf16:
      return "bf16";
    case DType::i64:
      return "i64";
  }
  return "?";
}

std::size_t size_of(DType dtype) noexcept {
  switch (dtype) {
    case DType::f32:
      return 4;
    case DType::f16:
    case DType::bf16:
      return 2;
    case DType::i64:
      return 8;
  }
  return 0;
}

}  // namespace eddy::inline v0_1
