// What operations share: reaching kernels, checking arguments, making results.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "base/memory_pool.hpp"
#include "eddy/error.hpp"
#include "eddy/ops.hpp"
#include "kernels/table.hpp"
#include "tensor/storage.hpp"

namespace eddy::inline v0_1 {

inline Launch launch_of(const Context& context) {
  return {[](void* threads, std::int64_t n, Threads::Function f, void* a) {
            static_cast<Threads*>(threads)->run_tiles(n, f, a);
          },
          &context.threads(), context.slots()};
}

inline const float* data(const Tensor& x) { return x.defined() ? x.values().data() : nullptr; }
inline float* write(const Tensor& x) { return x.defined() ? Tensor::Access::write(x) : nullptr; }
inline std::size_t bytes(std::int64_t floats) { return static_cast<std::size_t>(floats) * sizeof(float); }
inline Tensor make(const Shape& shape, const Context& context) {
  return Tensor::uninitialised(shape, DType::f32, context);
}

// The shape with another innermost extent.
inline Shape with_last(const Shape& shape, std::int64_t last) {
  std::array<std::int64_t, Shape::kMaxRank> extents{};
  std::ranges::copy(shape.extents(), extents.begin());
  extents[static_cast<std::size_t>(shape.rank() - 1)] = last;
  return Shape(std::span<const std::int64_t>(extents.data(), static_cast<std::size_t>(shape.rank())));
}

// Throws Error "operation: message" when `holds` is false.
template <class Message>
void require(bool holds, const char* operation, const Message& message) {
  if (!holds) throw Error(std::string(operation) + ": " + message());
}

inline std::string shape_of(const Tensor& x) { return x.defined() ? to_string(x.shape()) : "an empty tensor"; }

inline void require_f32(const Tensor& x, const char* operation, const char* argument) {
  require(x.defined() && x.dtype() == DType::f32, operation, [&] {
    return std::string(argument) + " must hold f32, got " + (x.defined() ? name(x.dtype()) : "an empty tensor");
  });
}

inline void require_shape(const Tensor& x, const Shape& shape, const char* operation, const char* argument) {
  require_f32(x, operation, argument);
  require(x.shape() == shape, operation,
          [&] { return std::string(argument) + " must be " + to_string(shape) + ", got " + to_string(x.shape()); });
}

// The same for an argument that may be absent.
inline void require_shape_if(const Tensor& x, const Shape& shape, const char* operation, const char* argument) {
  if (x.defined()) require_shape(x, shape, operation, argument);
}

template <class Attributes>
std::shared_ptr<const void> attributes(Attributes value) {
  return std::make_shared<const Attributes>(std::move(value));
}

// A weight as f32: itself, or widened from f16 or bf16.
Tensor widened(const Tensor& weight);

}  // namespace eddy::inline v0_1
