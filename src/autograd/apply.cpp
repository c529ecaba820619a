// Running an operation, and recording it when a derivative is wanted.
#include "autograd/backward.hpp"
#include "autograd/node.hpp"
#include "autograd/scope.hpp"
#include "base/clock.hpp"
#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

namespace {

const Context& common_context(const Operation& operation, std::span<const Tensor> inputs) {
  const Context* context = nullptr;
  for (const Tensor& input : inputs) {
    if (!input.defined()) continue;
    if (context != nullptr && !(*context == input.context())) {
      throw Error(std::string(operation.name) + ": the inputs belong to different Contexts");
    }
    context = &input.context();
  }
  if (context == nullptr) throw Error(std::string(operation.name) + ": all inputs are empty");
  return *context;
}

void record(Tensor& output, Call::State& state, std::shared_ptr<const void> attributes) {
  auto node = std::make_shared<OperationNode>(state.context);
  const std::size_t n = state.inputs.size();
  node->operation = &state.operation;
  node->attributes = std::move(attributes);
  node->parents.resize(n);
  node->kept.resize(n);
  node->keeps = state.keeps;
  for (std::size_t i = 0; i < n; ++i) {
    const Tensor& input = state.inputs[i];
    node->shapes.push_back(input.shape());
    if (input.defined()) node->given |= std::uint64_t{1} << i;
    if (state.wanted >> i & 1) node->parents[i] = Tensor::Access::node(input);
    if (state.keeps >> i & 1) node->kept[i] = SavedTensor(input);
  }
  for (const Tensor& tensor : state.saved) node->saved.emplace_back(tensor);
  Tensor::Access::set_node(output, std::move(node));
}

}  // namespace

Tensor apply(const Operation& operation, std::span<const Tensor> inputs, std::shared_ptr<const void> attributes) {
  if (inputs.size() > 64) throw Error(std::string(operation.name) + ": more than 64 inputs");
  const Context context = common_context(operation, inputs);
  if (scope().cancel != nullptr) scope().cancel->check();
  Call::State state{.operation = operation, .attributes = attributes.get(), .context = context, .inputs = inputs};
  if (scope().grad) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].requires_grad()) state.wanted |= std::uint64_t{1} << i;
    }
  }
  if (state.wanted != 0 && operation.vjp == nullptr) {
    throw Error(std::string(operation.name) + ": this operation has no derivative; run it under NoGrad");
  }
  const bool traced = static_cast<bool>(context.trace());
  const double start = traced ? now() : 0;
  Call call(state);
  Tensor output = operation.forward(call);
  Tensor::Access::set_node(output, nullptr);
  if (state.wanted != 0) record(output, state, std::move(attributes));
  if (traced) context.trace()({operation.name, start, now(), context.memory().in_use, false, output.shape().extents()});
  return output;
}

Tensor apply(const Operation& operation, std::initializer_list<Tensor> inputs,
             std::shared_ptr<const void> attributes) {
  return apply(operation, std::span<const Tensor>(inputs.begin(), inputs.size()), std::move(attributes));
}

int Call::inputs() const noexcept {
  return static_cast<int>(state_.node != nullptr ? state_.node->shapes.size() : state_.inputs.size());
}

Tensor Call::input(int i) const {
  const auto index = static_cast<std::size_t>(i);
  if (state_.node == nullptr || state_.remaking) return state_.inputs[index];
  if (!has(i)) return {};
  if (!(state_.node->keeps >> index & 1)) {
    throw Error(std::string(state_.operation.name) + ": its vjp asks for input " + std::to_string(i) +
                ", which forward did not keep");
  }
  return state_.node->kept[index].unpack(state_.operation.name);
}

const Shape& Call::input_shape(int i) const {
  const auto index = static_cast<std::size_t>(i);
  return state_.node != nullptr ? state_.node->shapes[index] : state_.inputs[index].shape();
}

bool Call::has(int i) const noexcept {
  const auto index = static_cast<std::size_t>(i);
  return state_.node != nullptr ? (state_.node->given >> index & 1) != 0 : state_.inputs[index].defined();
}

bool Call::wants(int i) const noexcept { return (state_.wanted >> static_cast<std::size_t>(i) & 1) != 0; }

void Call::keep_input(int i) {
  if (state_.wanted != 0) state_.keeps |= std::uint64_t{1} << static_cast<std::size_t>(i);
}

void Call::save(const Tensor& tensor) {
  if (state_.wanted != 0 && !state_.remaking) state_.saved.push_back(tensor);
}

Tensor Call::saved(int i) const {
  const auto index = static_cast<std::size_t>(i);
  return state_.node != nullptr ? state_.node->saved[index].unpack(state_.operation.name) : state_.saved[index];
}

Tensor Call::gradient_memory(int i) const {
  if (state_.backward != nullptr) {
    Tensor place = state_.backward->lend(state_.node->parents[static_cast<std::size_t>(i)].get());
    if (place.defined()) return place;
  }
  return Tensor::uninitialised(input_shape(i), DType::f32, context());
}

Tensor Call::gradient_so_far(int i) const {
  if (state_.backward == nullptr) return {};
  return state_.backward->take_pending(state_.node->parents[static_cast<std::size_t>(i)].get());
}

bool Call::remaking() const noexcept { return state_.remaking; }
const Context& Call::context() const { return state_.context; }
const void* Call::raw_attributes() const noexcept { return state_.attributes; }

}  // namespace eddy::inline v0_1
