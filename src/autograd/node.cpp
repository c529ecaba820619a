// Nodes of the tape.
#include "autograd/node.hpp"

#include "autograd/scope.hpp"
#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

void LeafNode::written() noexcept {
  version.fetch_add(1, std::memory_order_relaxed);
  const std::lock_guard lock(mutex);
  derived.clear();
}

SavedTensor::SavedTensor(const Tensor& source) {
  if (!source.defined()) return;
  const auto& node = Tensor::Access::node(source);
  if (const LeafNode* leaf = leaf_of(source)) {
    tensor = source;
    version = leaf->version.load(std::memory_order_relaxed);
    return;
  }
  auto operation = std::dynamic_pointer_cast<OperationNode>(node);
  if (operation && operation->operation->remake) {
    remake = std::move(operation);
  } else {
    tensor = source.detached();
  }
}

Tensor SavedTensor::unpack(const char* operation) const {
  if (remake) return remake->make_again();
  const LeafNode* leaf = leaf_of(tensor);
  if (leaf != nullptr && leaf->version.load(std::memory_order_relaxed) != version) {
    throw Error(std::string(operation) + ": " + (leaf->name.empty() ? "a variable" : "the parameter " + leaf->name) +
                " was changed between forward and backward; run the forward pass again");
  }
  return tensor;
}

OperationNode::~OperationNode() {
  // A long chain of nodes is taken apart in a loop: recursion would run out of stack.
  std::vector<std::shared_ptr<Node>> chain;
  const auto take = [&chain](std::vector<std::shared_ptr<Node>>& nodes) {
    for (auto& node : nodes) {
      if (node && node.use_count() == 1) chain.push_back(std::move(node));
    }
  };
  take(parents);
  while (!chain.empty()) {
    const std::shared_ptr<Node> last = std::move(chain.back());
    chain.pop_back();
    if (auto* operation_node = dynamic_cast<OperationNode*>(last.get())) {
      if (last.use_count() == 1) {
        operation_node->kept.clear();
        operation_node->saved.clear();
        take(operation_node->parents);
      }
    }
  }
}

Tensor OperationNode::make_again() const {
  if (used) throw Error(std::string(operation->name) + ": the tape was used up by an earlier backward");
  std::vector<Tensor> inputs(parents.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (keeps >> i & 1) inputs[i] = kept[i].unpack(operation->name).detached();
  }
  Call::State state{.operation = *operation,
                    .attributes = attributes.get(),
                    .context = context,
                    .inputs = inputs,
                    .node = this,
                    .remaking = true};
  Call call(state);
  return operation->forward(call).detached();
}

void OperationNode::release() {
  used = true;
  kept.clear();
  saved.clear();
  parents.clear();
}

LeafNode* leaf_of(const Tensor& tensor) noexcept {
  return dynamic_cast<LeafNode*>(Tensor::Access::node(tensor).get());
}

Tensor Tensor::variable() const {
  Tensor result = detached();
  if (!result.defined() || result.dtype() != DType::f32) {
    throw Error("Tensor::variable: derivatives need a tensor of f32 elements");
  }
  result.node_ = std::make_shared<LeafNode>();
  return result;
}

Tensor derived(const Tensor& parameter, int kind, const std::function<Tensor()>& make) {
  LeafNode* leaf = leaf_of(parameter);
  if (leaf == nullptr || scope().grad || scope().recording || scope().backward != nullptr) return make();
  const std::uint64_t version = leaf->version.load(std::memory_order_relaxed);
  const auto kept = [&] {
    for (const auto& entry : leaf->derived) {
      if (entry.kind == kind && entry.version == version) return entry.form;
    }
    return Tensor();
  };
  {
    const std::lock_guard lock(leaf->mutex);
    if (const Tensor form = kept(); form.defined()) return form;
  }
  // Made without the lock: its tiles may run on a host's pool, which may take up other work that asks for the same form.
  const Tensor made = make();
  const std::lock_guard lock(leaf->mutex);
  if (const Tensor form = kept(); form.defined()) return form;
  std::erase_if(leaf->derived, [&](const auto& entry) { return entry.kind == kind || entry.version != version; });
  leaf->derived.push_back({kind, version, made});
  return made;
}

}  // namespace eddy::inline v0_1
