// Time for memory: a block keeps its inputs only, and runs again during backward.
#include <algorithm>

#include "autograd/backward.hpp"
#include "autograd/scope.hpp"
#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

namespace {

struct Block {
  std::function<Tensor(std::span<const Tensor>)> function;
  Scope scope;  // of the forward pass: dropout repeats itself
};

Tensor forward(Call& call) {
  for (int i = 0; i < call.inputs(); ++i) call.keep_input(i);
  std::vector<Tensor> inputs;
  for (int i = 0; i < call.inputs(); ++i) inputs.push_back(call.input(i).detached());
  Scope inside = scope();
  inside.grad = false;
  inside.recording = true;
  const ScopeGuard guard(inside);
  return call.attributes<Block>().function(inputs);
}

void vjp(Call& call, const Tensor& gradient, std::span<Tensor> result) {
  const Block& block = call.attributes<Block>();
  Backward& backward = *scope().backward;
  std::vector<Tensor> inputs;
  for (int i = 0; i < call.inputs(); ++i) {
    inputs.push_back(call.wants(i) ? call.input(i).variable() : call.input(i).detached());
  }
  Tensor output;
  {
    Scope again = block.scope;
    again.grad = true;
    again.recording = false;
    again.cancel = scope().cancel;
    again.backward = scope().backward;
    const ScopeGuard guard(again);
    output = block.function(inputs);
  }
  if (!output.requires_grad()) return;
  backward.add_leaves(inputs);
  backward.run(output, gradient);
  for (int i = 0; i < call.inputs(); ++i) {
    if (call.wants(i)) result[static_cast<std::size_t>(i)] = backward.take(inputs[static_cast<std::size_t>(i)]);
  }
}

constexpr Operation kCheckpoint{"checkpoint", forward, vjp};

}  // namespace

Tensor checkpoint(const std::function<Tensor(std::span<const Tensor>)>& function, std::span<const Tensor> inputs) {
  if (!scope().grad) return function(inputs);
  auto block = std::make_shared<const Block>(Block{function, scope()});
  // Recorded even when no input wants a gradient: parameters inside may.
  std::vector<Tensor> recorded(inputs.begin(), inputs.end());
  const auto wants = [](const Tensor& input) { return input.requires_grad(); };
  const auto differentiable = [](const Tensor& input) { return input.defined() && input.dtype() == DType::f32; };
  if (std::ranges::none_of(recorded, wants)) {
    const auto first = std::ranges::find_if(recorded, differentiable);
    if (first == recorded.end()) throw Error("checkpoint: needs an input of f32 elements");
    *first = first->variable();
  }
  Tensor output = apply(kCheckpoint, recorded, block);
  static_cast<OperationNode&>(*Tensor::Access::node(output)).opaque = true;
  return output;
}

}  // namespace eddy::inline v0_1
