// One backward pass over the tape.
#pragma once

#include <span>
#include <unordered_map>
#include <vector>

#include "autograd/node.hpp"

namespace eddy::inline v0_1 {

class Backward {
 public:
  // Gradients go to these leaves: written to into[i] when that is defined, else collected.
  Backward(std::span<const Tensor> leaves, std::span<Tensor> into);

  // Walks from root down. Called again from inside by a checkpoint, for its own piece of tape.
  void run(const Tensor& root, const Tensor& seed);

  // Also collects the gradients of these leaves: the inputs of a checkpoint.
  void add_leaves(std::span<const Tensor> leaves);
  // What was collected for a leaf; empty when nothing flowed there. take() forgets the leaf.
  Tensor collected(const Tensor& leaf) const;
  Tensor take(const Tensor& leaf);
  // Where the first gradient for a leaf goes, when no one has it yet; else empty.
  Tensor lend(const Node* leaf);
  // What arrived at the output of an operation so far, which forgets it; empty when nothing did.
  Tensor take_pending(const Node* node);
  // Zeros where no gradient arrived.
  void fill_rest();

 private:
  using Order = std::vector<OperationNode*>;
  struct Sink {
    Tensor into;       // memory of the caller, or empty
    Tensor collected{};
    bool lent = false, arrived = false;  // of `into`
  };

  bool wanted(const Node* node) const;
  Order order_from(OperationNode* root, Order& visited);
  void step(OperationNode& node, const Tensor& gradient);
  void deliver(Node* parent, Tensor gradient);

  std::unordered_map<const Node*, Sink> sinks_;
  std::unordered_map<const Node*, Tensor> pending_;
  std::unordered_map<const OperationNode*, bool> needed_;
};

}  // namespace eddy::inline v0_1
