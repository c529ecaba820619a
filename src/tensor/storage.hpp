// What tensors share: a block of the pool, or foreign memory.
#pragma once

#include <cstddef>
#include <functional>

#include "eddy/tensor.hpp"

namespace eddy::inline v0_1 {

struct Storage {
  Context context;
  void* data = nullptr;
  std::size_t bytes = 0;
  std::function<void()> deleter;  // empty: the block is the pool's

  Storage(const Context& context, std::size_t bytes);
  Storage(const Context& context, void* data, std::size_t bytes, std::function<void()> deleter);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
};

// Floats that a tensor of so many takes in an arena, where each begins at a cache line.
inline std::int64_t padded(std::int64_t elements) { return (elements + 15) / 16 * 16; }

// Base of the tape's nodes, which the room autograd defines. This room only tells a leaf that it was written.
struct Node {
  virtual ~Node();
  virtual bool records() const noexcept = 0;  // a derivative with respect to it, or through it, is recorded
  virtual bool parameter() const noexcept { return false; }  // it is a parameter's leaf: written while others share it
  virtual void written() noexcept = 0;                       // elements were handed out for writing
};

// The library's door into a tensor.
struct Tensor::Access {
  static Tensor make(std::shared_ptr<Storage> storage, std::int64_t offset, const Shape& shape, DType dtype);
  static const std::shared_ptr<Storage>& storage(const Tensor& tensor) { return tensor.storage_; }
  static const std::shared_ptr<Node>& node(const Tensor& tensor) { return tensor.node_; }
  static void set_node(Tensor& tensor, std::shared_ptr<Node> node) { tensor.node_ = std::move(node); }
  // Writable elements whoever shares them: for results that were just made, gradients and parameters.
  static float* write(const Tensor& tensor) { return static_cast<float*>(write_raw(tensor)); }
  static void* write_raw(const Tensor& tensor);
};

}  // namespace eddy::inline v0_1
