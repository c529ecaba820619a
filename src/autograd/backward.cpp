// The backward pass: nodes in reverse topological order, each handing gradients to its inputs.
//
// The order depends on the tape alone, so sums of gradients have one order. Nodes that lead to no asked-for leaf are
// left out, and an operation is told which of its inputs want a gradient.
#include "autograd/backward.hpp"

#include <algorithm>

#include "autograd/accumulate.hpp"
#include "autograd/scope.hpp"
#include "base/clock.hpp"
#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

Backward::Backward(std::span<const Tensor> leaves, std::span<Tensor> into) {
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (leaf_of(leaves[i]) == nullptr) {
      throw Error("gradients: leaf " + std::to_string(i) + " is neither a Tensor::variable() nor a parameter");
    }
    const Tensor target = into.empty() ? Tensor{} : into[i];
    if (!into.empty() && (!target.defined() || target.dtype() != DType::f32)) {
      throw Error("gradients: into[" + std::to_string(i) + "] must hold f32");
    }
    if (target.defined() && !(target.shape() == leaves[i].shape())) {
      throw Error("gradients: into[" + std::to_string(i) + "] has shape " + to_string(target.shape()) +
                  ", the leaf has " + to_string(leaves[i].shape()));
    }
    const bool first = sinks_.try_emplace(Tensor::Access::node(leaves[i]).get(), Sink{target, {}}).second;
    if (!first && target.defined()) throw Error("gradients: leaf " + std::to_string(i) + " is given twice");
  }
}

void Backward::add_leaves(std::span<const Tensor> leaves) {
  for (const Tensor& leaf : leaves) {
    if (leaf_of(leaf) != nullptr) sinks_.try_emplace(Tensor::Access::node(leaf).get());
  }
}

Tensor Backward::collected(const Tensor& leaf) const {
  const auto found = sinks_.find(Tensor::Access::node(leaf).get());
  return found == sinks_.end() ? Tensor{} : found->second.collected;
}

Tensor Backward::take(const Tensor& leaf) {
  Tensor result = collected(leaf);
  sinks_.erase(Tensor::Access::node(leaf).get());
  return result;
}

bool Backward::wanted(const Node* node) const {
  if (node == nullptr) return false;
  if (const auto* operation = dynamic_cast<const OperationNode*>(node)) {
    const auto found = needed_.find(operation);
    return found != needed_.end() && found->second;
  }
  return sinks_.contains(node);
}

// Depth first, inputs before outputs, without recursion. `visited` gets the others too.
Backward::Order Backward::order_from(OperationNode* root, Order& visited) {
  Order order;
  std::vector<std::pair<OperationNode*, std::size_t>> path{{root, 0}};
  needed_.try_emplace(root, false);
  visited.push_back(root);
  while (!path.empty()) {
    auto& [node, next] = path.back();
    if (node->used) throw Error("gradients: the tape was used up by an earlier backward; run the forward pass again");
    if (next < node->parents.size()) {
      auto* parent = dynamic_cast<OperationNode*>(node->parents[next++].get());
      if (parent == nullptr || !needed_.try_emplace(parent, false).second) continue;
      visited.push_back(parent);
      path.push_back({parent, 0});
      continue;
    }
    const bool needed = node->opaque || std::ranges::any_of(node->parents, [&](const auto& p) { return wanted(p.get()); });
    needed_[node] = needed;
    if (needed) order.push_back(node);
    path.pop_back();
  }
  return order;
}

void Backward::run(const Tensor& root, const Tensor& seed) {
  const auto& root_node = Tensor::Access::node(root);
  if (!root.defined() || root_node == nullptr || !root_node->records()) {
    throw Error("gradients: the root was not recorded: no input of it is a variable or a trainable parameter");
  }
  if (!seed.defined() && root.elements() != 1) {
    throw Error("gradients: a root of shape " + to_string(root.shape()) + " needs a seed of its shape");
  }
  if (seed.defined() && !(seed.shape() == root.shape())) {
    throw Error("gradients: the seed has shape " + to_string(seed.shape()) + ", the root " + to_string(root.shape()));
  }
  Tensor gradient = seed.defined() ? seed.detached() : Tensor::full(root.shape(), 1, root.context());
  auto operation = std::dynamic_pointer_cast<OperationNode>(root_node);
  if (!operation) {  // the root is itself a leaf
    if (wanted(root_node.get())) deliver(root_node.get(), std::move(gradient));
    return;
  }
  Order visited;
  const Order order = order_from(operation.get(), visited);
  pending_[operation.get()] = std::move(gradient);
  // Nodes own their parents, and release() lets go of them: hold all until the walk is over.
  std::vector<std::shared_ptr<Node>> alive{root_node};
  for (const OperationNode* node : order) alive.insert(alive.end(), node->parents.begin(), node->parents.end());
  for (auto node = order.rbegin(); node != order.rend(); ++node) {
    const auto found = pending_.find(*node);
    if (found != pending_.end()) {
      const Tensor arrived = std::move(found->second);
      pending_.erase(found);
      step(**node, arrived);
    }
    (*node)->release();
    needed_.erase(*node);
  }
  // A checkpoint's tape ends here, and nodes of the next one may come to lie at the same addresses.
  for (const OperationNode* node : visited) needed_.erase(node);
}

void Backward::step(OperationNode& node, const Tensor& gradient) {
  if (scope().cancel != nullptr) scope().cancel->check();
  Call::State state{.operation = *node.operation,
                    .attributes = node.attributes.get(),
                    .context = node.context,
                    .inputs = {},
                    .node = &node,
                    .backward = this};
  for (std::size_t i = 0; i < node.parents.size(); ++i) {
    if (wanted(node.parents[i].get())) state.wanted |= std::uint64_t{1} << i;
  }
  std::vector<Tensor> result(node.parents.size());
  Call call(state);
  const bool traced = static_cast<bool>(node.context.trace());
  const double start = traced ? now() : 0;
  node.operation->vjp(call, gradient, result);
  if (traced) {
    node.context.trace()({node.operation->name, start, now(), node.context.memory().in_use, true, gradient.shape().extents()});
  }
  for (std::size_t i = 0; i < result.size(); ++i) {
    if (!(state.wanted >> i & 1) || !result[i].defined()) continue;
    if (!(result[i].shape() == node.shapes[i])) {
      throw Error(std::string(node.operation->name) + ": its vjp made a gradient of shape " +
                  to_string(result[i].shape()) + " for input " + std::to_string(i) + " of shape " +
                  to_string(node.shapes[i]));
    }
    deliver(node.parents[i].get(), std::move(result[i]));
  }
}

void Backward::deliver(Node* parent, Tensor gradient) {
  const auto sink = sinks_.find(parent);
  if (sink == sinks_.end()) {
    accumulate(pending_[parent], std::move(gradient));
    return;
  }
  Sink& s = sink->second;
  if (!s.into.defined()) return accumulate(s.collected, std::move(gradient));
  if (s.arrived) return add_into(s.into, gradient);
  s.lent = s.arrived = true;
  if (gradient.raw() != s.into.raw()) std::ranges::copy(gradient.values(), Tensor::Access::write(s.into));
}

Tensor Backward::lend(const Node* leaf) {
  const auto sink = sinks_.find(leaf);
  if (sink == sinks_.end() || !sink->second.into.defined() || sink->second.lent) return {};
  sink->second.lent = true;
  return sink->second.into;
}

Tensor Backward::take_pending(const Node* node) {
  const auto found = pending_.find(node);
  if (found == pending_.end()) return {};
  Tensor result = std::move(found->second);
  pending_.erase(found);
  return result;
}

void Backward::fill_rest() {
  for (auto& [leaf, sink] : sinks_) {
    if (sink.into.defined() && !sink.arrived) std::fill_n(Tensor::Access::write(sink.into), sink.into.elements(), 0.0f);
  }
}

namespace {

void walk(Backward& backward, const Tensor& root, const Tensor& seed) {
  Scope inside = scope();
  inside.grad = false;
  inside.backward = &backward;
  const ScopeGuard guard(inside);
  backward.run(root, seed);
}

}  // namespace

std::vector<Tensor> gradients(const Tensor& root, std::span<const Tensor> leaves, const Tensor& seed) {
  Backward backward(leaves, {});
  walk(backward, root, seed);
  std::vector<Tensor> result;
  for (const Tensor& leaf : leaves) {
    const Tensor gradient = backward.collected(leaf);
    result.push_back(gradient.defined() ? gradient : Tensor::zeros(leaf.shape(), leaf.context()));
  }
  return result;
}

std::vector<Tensor> gradients(const Tensor& root, std::initializer_list<Tensor> leaves, const Tensor& seed) {
  return gradients(root, std::span<const Tensor>(leaves.begin(), leaves.size()), seed);
}

void write_gradients(const Tensor& root, std::span<const Tensor> leaves, std::span<Tensor> into, const Tensor& seed) {
  if (leaves.size() != into.size()) {
    throw Error("write_gradients: " + std::to_string(leaves.size()) + " leaves, but " + std::to_string(into.size()) +
                " tensors to write to");
  }
  Backward backward(leaves, into);
  walk(backward, root, seed);
  backward.fill_rest();
}

}  // namespace eddy::inline v0_1
