// Named parameters in one arena.
#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "autograd/node.hpp"
#include "eddy/error.hpp"
#include "eddy/nn.hpp"
#include "nn/initialise.hpp"
#include "tensor/storage.hpp"

namespace eddy::inline v0_1 {

struct Parameter::State {
  std::string name;
  Shape shape;
  Initializer initializer;
  Tensor value;
  bool trainable = true;

  static State& of(const Parameter& parameter) {
    if (!parameter.defined()) throw Error("Parameter: it is empty; ParameterTree::add makes one");
    return *parameter.state_;
  }
};

struct ParameterTree::State {
  Initialisation style;
  std::vector<Parameter> parameters;
  std::unordered_set<std::string> names;
  std::shared_ptr<Storage> arena;
};

const std::string& Parameter::name() const { return State::of(*this).name; }
const Shape& Parameter::shape() const { return State::of(*this).shape; }

const Tensor& Parameter::value() const {
  const State& state = State::of(*this);
  if (!state.value.defined()) throw Error("parameter " + state.name + ": its tree is not allocated yet");
  return state.value;
}

std::span<float> Parameter::write() const {
  Tensor handle = value();
  return handle.mutable_values();
}

std::uint64_t Parameter::version() const { return leaf_of(value())->version.load(); }

bool Parameter::trainable() const { return State::of(*this).trainable; }

void Parameter::set_trainable(bool trainable) const {
  State& state = State::of(*this);
  state.trainable = trainable;
  if (state.value.defined()) leaf_of(state.value)->trainable = trainable;
}

ParameterTree::ParameterTree(Initialisation style) : state_(std::make_shared<State>()) { state_->style = style; }

ParameterTree ParameterTree::in(const std::string& name) const {
  ParameterTree tree = *this;
  tree.prefix_ += name + ".";
  return tree;
}

Initialisation ParameterTree::style() const { return state_->style; }

Parameter ParameterTree::add(const std::string& name, const Shape& shape, Initializer initializer) const {
  if (allocated()) throw Error("parameter " + prefix_ + name + ": the tree is allocated, nothing can be added");
  constexpr std::int64_t kMost = std::int64_t{1} << 58;  // elements: their bytes, padded, can be counted
  if (shape.elements() > kMost - elements()) {
    throw Error("parameter " + prefix_ + name + ": its shape " + to_string(shape) +
                " makes the tree larger than 2^58 elements");
  }
  if (!state_->names.insert(prefix_ + name).second) {
    throw Error("parameter " + prefix_ + name + ": the name exists already");
  }
  Parameter parameter;
  parameter.state_ = std::make_shared<Parameter::State>();
  parameter.state_->name = prefix_ + name;
  parameter.state_->shape = shape;
  parameter.state_->initializer = initializer;
  state_->parameters.push_back(parameter);
  return parameter;
}

const std::vector<Parameter>& ParameterTree::parameters() const { return state_->parameters; }

std::int64_t ParameterTree::elements() const {
  std::int64_t total = 0;
  for (const Parameter& parameter : state_->parameters) total += parameter.shape().elements();
  return total;
}

bool ParameterTree::allocated() const { return state_->arena != nullptr; }

void ParameterTree::allocate(const Context& context) const {
  if (allocated()) throw Error("ParameterTree::allocate: the tree is allocated already");
  std::int64_t total = 0;
  for (const Parameter& parameter : state_->parameters) total += padded(parameter.shape().elements());
  auto arena = std::make_shared<Storage>(context, static_cast<std::size_t>(total) * sizeof(float));
  if (total > 0) std::memset(arena->data, 0, arena->bytes);
  std::int64_t offset = 0;
  for (const Parameter& parameter : state_->parameters) {
    Parameter::State& state = *parameter.state_;
    state.value = Tensor::Access::make(arena, offset, state.shape, DType::f32).variable();
    LeafNode& leaf = *leaf_of(state.value);
    leaf.name = state.name;
    leaf.is_parameter = true;
    leaf.trainable = state.trainable;
    offset += padded(state.shape.elements());
  }
  state_->arena = std::move(arena);
}

void ParameterTree::initialise(std::uint64_t seed) const {
  for (const Parameter& parameter : state_->parameters) {
    fill(parameter.write(), parameter.state_->initializer, seed, parameter.name());
  }
}

void ParameterTree::copy_from(const ParameterTree& other) const {
  const auto& source = other.parameters();
  const auto& target = parameters();
  const auto shown = [](const auto& tree, std::size_t i) {
    return i < tree.size() ? tree[i].name() + " " + to_string(tree[i].shape()) : std::string("nothing more");
  };
  for (std::size_t i = 0; i < std::max(source.size(), target.size()); ++i) {
    const bool same = i < source.size() && i < target.size() && source[i].name() == target[i].name() &&
                      source[i].shape() == target[i].shape();
    if (!same) throw Error("ParameterTree::copy_from: needs " + shown(target, i) + ", got " + shown(source, i));
  }
  for (std::size_t i = 0; i < target.size(); ++i) std::ranges::copy(source[i].value().values(), target[i].write().begin());
}

}  // namespace eddy::inline v0_1
