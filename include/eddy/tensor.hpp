// Tensors: row-major, contiguous, at most six extents, float32 unless said.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>

#include "eddy/context.hpp"

namespace eddy::inline v0_1 {

// Computation is float32; f16 and bf16 hold weights, i64 labels and tokens.
enum class DType : std::uint8_t { f32, f16, bf16, i64 };

EDDY_API const char* name(DType) noexcept;
EDDY_API std::size_t size_of(DType) noexcept;  // bytes of one element

// Extents, outermost first. Images are (N, H, W, C). A rank of 0 is a scalar.
class EDDY_API Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;
  // Throw Error for more than kMaxRank extents, a negative one, or a product over 2^62.
  Shape(std::initializer_list<std::int64_t> extents);
  explicit Shape(std::span<const std::int64_t> extents);

  int rank() const noexcept { return rank_; }
  // Extent i; a negative i counts from the end. Throws Error when out of range.
  std::int64_t operator[](int i) const;
  std::int64_t elements() const noexcept;
  std::span<const std::int64_t> extents() const noexcept { return {extents_.data(), static_cast<std::size_t>(rank_)}; }

  friend EDDY_API bool operator==(const Shape& a, const Shape& b) noexcept;

 private:
  std::array<std::int64_t, kMaxRank> extents_{};
  int rank_ = 0;
};

EDDY_API std::string to_string(const Shape& shape);  // "(16, 28, 28, 1)"

struct Storage;
struct Node;

// A handle: copies share the elements, and the place on the tape. Operations never write their inputs.
class EDDY_API Tensor {
 public:
  Tensor() = default;  // empty: defined() is false

  // New storage from the Context's pool, 64-byte aligned. `uninitialised` holds anything.
  static Tensor uninitialised(const Shape& shape, DType dtype = DType::f32, const Context& context = {});
  static Tensor zeros(const Shape& shape, const Context& context = {});
  static Tensor full(const Shape& shape, float value, const Context& context = {});
  static Tensor scalar(float value, const Context& context = {});
  // Copies `values`; throw Error when their count is not the shape's.
  static Tensor from(std::span<const float> values, const Shape& shape, const Context& context = {});
  static Tensor from(std::initializer_list<float> values, const Shape& shape, const Context& context = {});
  static Tensor from(std::span<const std::int64_t> values, const Shape& shape, const Context& context = {});
  static Tensor from(std::initializer_list<std::int64_t> values, const Shape& shape, const Context& context = {});
  // Wraps foreign memory of shape.elements() elements; `deleter` runs when the last handle goes, or at once when this throws.
  static Tensor borrow(void* data, const Shape& shape, std::function<void()> deleter, DType dtype = DType::f32,
                       const Context& context = {});

  bool defined() const noexcept { return storage_ != nullptr; }
  const Shape& shape() const noexcept { return shape_; }
  std::int64_t extent(int i) const { return shape_[i]; }
  int rank() const noexcept { return shape_.rank(); }
  std::int64_t elements() const noexcept { return shape_.elements(); }
  DType dtype() const noexcept { return dtype_; }
  const Context& context() const;  // throws Error when empty

  // Elements in row-major order. Throw Error when the element type is another one.
  std::span<const float> values() const;
  std::span<const std::int64_t> integers() const;
  const void* raw() const noexcept;
  // The one value of a tensor of one element.
  float item() const;

  // Writable elements. Throw Error when other handles share the storage, as they would see the change; a parameter's value
  // may be written, its views may not, as the parameter's version would not tell.
  std::span<float> mutable_values();
  std::span<std::int64_t> mutable_integers();
  void* mutable_raw();

  // Rows [first, first + count) of the outermost extent, sharing storage; off the tape.
  Tensor rows(std::int64_t first, std::int64_t count) const;
  // The same elements with other extents, sharing storage; off the tape (`reshape` in ops.hpp is on it).
  Tensor viewed(const Shape& shape) const;
  // New storage, off the tape.
  Tensor clone() const;
  // The same storage, off the tape.
  Tensor detached() const;

  // A leaf of the tape that shares this storage: derivatives with respect to it can be asked for.
  Tensor variable() const;
  // True when a derivative with respect to this tensor, or through it, is being recorded.
  bool requires_grad() const noexcept;

  // For the library's own rooms.
  struct Access;

 private:
  std::shared_ptr<Storage> storage_;
  std::int64_t offset_ = 0;  // in elements
  Shape shape_;
  DType dtype_ = DType::f32;
  std::shared_ptr<Node> node_;
};

}  // namespace eddy::inline v0_1
