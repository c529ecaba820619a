// Forward-mode derivatives: the function runs once and is recorded as for a backward pass; then tangents go the way of its
// operations, inputs before outputs. What forward kept for the vjp of the inputs in question is what their jvp needs.
#include <unordered_map>

#include "autograd/node.hpp"
#include "autograd/scope.hpp"
#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

namespace {

using Tangents = std::unordered_map<const Node*, Tensor>;

// The recorded operations below root, inputs before outputs, without recursion.
std::vector<OperationNode*> order_from(OperationNode* root) {
  std::vector<OperationNode*> order;
  std::unordered_map<const OperationNode*, bool> seen{{root, true}};
  std::vector<std::pair<OperationNode*, std::size_t>> path{{root, 0}};
  while (!path.empty()) {
    auto& [node, next] = path.back();
    if (next == node->parents.size()) {
      order.push_back(node);
      path.pop_back();
      continue;
    }
    auto* parent = dynamic_cast<OperationNode*>(node->parents[next++].get());
    if (parent != nullptr && seen.try_emplace(parent, true).second) path.push_back({parent, 0});
  }
  return order;
}

void step(const OperationNode& node, Tangents& known) {
  if (scope().cancel != nullptr) scope().cancel->check();
  Call::State state{.operation = *node.operation,
                    .attributes = node.attributes.get(),
                    .context = node.context,
                    .inputs = {},
                    .node = &node};
  std::vector<Tensor> tangents(node.parents.size());
  for (std::size_t i = 0; i < tangents.size(); ++i) {
    const auto found = known.find(node.parents[i].get());
    if (found == known.end() || !found->second.defined()) continue;
    tangents[i] = found->second;
    state.wanted |= std::uint64_t{1} << i;
  }
  if (state.wanted == 0) return;
  if (node.operation->jvp == nullptr) {
    throw Error(std::string("jvp: the operation ") + node.operation->name +
                " has no forward derivative; use gradients(), or give its record a jvp");
  }
  Call call(state);
  known[&node] = node.operation->jvp(call, tangents);
}

std::vector<Tensor> variables(std::span<const Tensor> inputs, std::span<const Tensor> tangents, Tangents& known) {
  if (inputs.size() != tangents.size()) {
    throw Error("jvp: " + std::to_string(inputs.size()) + " inputs, but " + std::to_string(tangents.size()) + " tangents");
  }
  std::vector<Tensor> result;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    result.push_back(inputs[i].detached());
    if (!tangents[i].defined()) continue;
    if (!inputs[i].defined() || tangents[i].dtype() != DType::f32 || !(tangents[i].shape() == inputs[i].shape())) {
      throw Error("jvp: tangent " + std::to_string(i) + " must be f32 of its input's shape " +
                  to_string(inputs[i].shape()) + ", got " + name(tangents[i].dtype()) + " " + to_string(tangents[i].shape()));
    }
    result.back() = inputs[i].variable();
    known[Tensor::Access::node(result.back()).get()] = tangents[i].detached();
  }
  return result;
}

}  // namespace

Jvp jvp(const std::function<Tensor(std::span<const Tensor>)>& function, std::span<const Tensor> inputs,
        std::span<const Tensor> tangents) {
  Tangents known;
  const std::vector<Tensor> given = variables(inputs, tangents, known);
  Tensor output;
  {
    Scope recorded = scope();
    recorded.grad = true;
    recorded.recording = false;
    const ScopeGuard guard(recorded);
    output = function(given);
  }
  if (!output.defined()) throw Error("jvp: the function's result is empty");
  const NoGrad no_grad;
  const auto& node = Tensor::Access::node(output);
  if (auto* root = dynamic_cast<OperationNode*>(node.get())) {
    for (const OperationNode* each : order_from(root)) step(*each, known);
  }
  const auto found = known.find(node.get());
  const bool moves = found != known.end() && found->second.defined();
  return {output.detached(), moves ? found->second.detached() : Tensor::zeros(output.shape(), output.context())};
}

}  // namespace eddy::inline v0_1
