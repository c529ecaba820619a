// The nodes of the tape: leaves (variables and parameters) and recorded operations.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "eddy/autograd.hpp"
#include "tensor/storage.hpp"

namespace eddy::inline v0_1 {

struct OperationNode;
class Backward;

// A variable or a parameter. Forms derived from its elements (packed, transformed) are kept by version.
struct LeafNode final : Node {
  struct Derived {
    int kind;
    std::uint64_t version;
    Tensor form;
  };

  std::string name;  // of a parameter
  std::atomic<bool> trainable{true};
  std::atomic<std::uint64_t> version{0};
  std::mutex mutex;              // guards `derived`
  std::vector<Derived> derived;  // at most one of a kind, all of the current version

  bool records() const noexcept override { return trainable.load(std::memory_order_relaxed); }
  void written() noexcept override;
};

// A tensor that a backward will need: its elements, or the node that makes them again.
struct SavedTensor {
  Tensor tensor;                             // off the tape, but for leaves; empty when `remake` is set or it is absent
  std::shared_ptr<OperationNode> remake;     // an operation whose output is made again
  std::uint64_t version = 0;                 // of a leaf

  SavedTensor() = default;
  explicit SavedTensor(const Tensor& source);
  // Throws Error when it is a leaf that was written since.
  Tensor unpack(const char* operation) const;
};

struct OperationNode final : Node {
  const Operation* operation = nullptr;
  std::shared_ptr<const void> attributes;
  Context context;
  std::vector<std::shared_ptr<Node>> parents;  // of each input; null where no gradient is wanted
  std::vector<SavedTensor> kept;               // inputs that forward kept
  std::vector<SavedTensor> saved;
  std::vector<Shape> shapes;  // of each input
  std::uint64_t given = 0;    // bit i: input i was given
  std::uint64_t keeps = 0;    // bit i: input i was kept
  bool opaque = false;        // derivatives flow to leaves that are not among the inputs (checkpoint)
  bool used = false;          // a backward has run through it

  explicit OperationNode(const Context& c) : context(c) {}
  ~OperationNode() override;
  bool records() const noexcept override { return true; }
  void written() noexcept override {}

  // The output once more, from kept inputs and saved tensors.
  Tensor make_again() const;
  // Gives back what backward needed.
  void release();
};

// What a Call looks at.
struct Call::State {
  const Operation& operation;
  const void* attributes;
  const Context& context;
  std::span<const Tensor> inputs;         // forward
  const OperationNode* node = nullptr;    // vjp and remake
  std::uint64_t wanted = 0;
  bool remaking = false;
  std::uint64_t keeps = 0;
  std::vector<Tensor> saved{};
  Backward* backward = nullptr;           // vjp
};

// make()'s result, a form of the parameter's elements (packed for a kernel, say). Outside training it is kept while the
// parameter's elements stay as they are; while a tape is recorded or walked it is made each time, as every step changes
// the elements. For a tensor that is no leaf it is just made.
Tensor derived(const Tensor& parameter, int kind, const std::function<Tensor()>& make);

// The leaf of a parameter or variable, or null.
LeafNode* leaf_of(const Tensor& tensor) noexcept;

}  // namespace eddy::inline v0_1
