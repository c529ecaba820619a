// Derivatives by a tape of coarse operations, recorded while they run.
//
// Each operation is a record of free functions: forward, vjp (vector-Jacobian product, for `gradients`) and jvp
// (Jacobian-vector product, for `jvp`; may be absent). A node of the tape holds the record and what forward saved. The graph
// belongs to its tensors: dropping them drops it, and what a backward needed goes back to the pool once it has run.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "eddy/cancel.hpp"
#include "eddy/tensor.hpp"

namespace eddy::inline v0_1 {

// One application of an operation, as its functions see it.
class EDDY_API Call {
 public:
  struct State;
  explicit Call(State& state) noexcept : state_(state) {}

  int inputs() const noexcept;
  // Input i. In vjp only inputs that forward kept may be asked for; an absent optional input is an empty tensor.
  Tensor input(int i) const;
  const Shape& input_shape(int i) const;  // always known; rank 0 of an absent input
  bool has(int i) const noexcept;         // input i was given
  bool wants(int i) const noexcept;       // a gradient for input i is asked for

  // In forward: what vjp will need. Does nothing when no gradient is recorded. Saved tensors are numbered from 0 in the
  // order of saving. Do not save what no wanted gradient needs.
  void keep_input(int i);
  void save(const Tensor& tensor);
  Tensor saved(int i) const;
  // In forward of an operation marked `remake`: true when the output is made again during backward, from kept inputs
  // and saved tensors; nothing is saved then.
  bool remaking() const noexcept;

  template <class Attributes>
  const Attributes& attributes() const {
    return *static_cast<const Attributes*>(raw_attributes());
  }
  const Context& context() const;

  // In vjp: memory for the gradient of input i, of its shape and uninitialised. It is where the gradient is wanted in the
  // end when that can be; so take it for gradients that are written whole.
  Tensor gradient_memory(int i) const;
  // In vjp: what input i got from other operations so far, when it is no leaf; else empty. It is taken over: result[i] must
  // then include it, which spares a pass over memory.
  Tensor gradient_so_far(int i) const;

 private:
  const void* raw_attributes() const noexcept;
  State& state_;
};

struct Operation {
  const char* name;
  Tensor (*forward)(Call& call);
  // gradient: of the output. Sets result[i] for every input with wants(i); an empty result[i] stands for zero.
  void (*vjp)(Call& call, const Tensor& gradient, std::span<Tensor> result);
  // The output's tangent. tangents: of the inputs, empty ones stand for zero; wants(i) tells which are there, and an input may
  // be asked for when forward kept it. May be null: forward-mode is then refused.
  Tensor (*jvp)(Call& call, std::span<const Tensor> tangents) = nullptr;
  // The output is cheap to compute again: operations that keep it for their vjp keep this node instead.
  bool remake = false;
};

// Runs the operation and records it when gradients are on and an input requires one. `operation` must outlive the
// tape (a constant). All inputs must share one Context; empty tensors stand for absent optional inputs.
EDDY_API Tensor apply(const Operation& operation, std::initializer_list<Tensor> inputs,
                      std::shared_ptr<const void> attributes = nullptr);
EDDY_API Tensor apply(const Operation& operation, std::span<const Tensor> inputs,
                      std::shared_ptr<const void> attributes = nullptr);

// Gradients of the sum of root's elements weighted by `seed` (default 1, root then has one element) with respect to
// leaves made by Tensor::variable() or to parameters. Zeros where root does not depend on one. The tape below root is
// used up. Throws Error when root was not recorded or was used already, or when a parameter has changed since.
EDDY_API std::vector<Tensor> gradients(const Tensor& root, std::span<const Tensor> leaves, const Tensor& seed = {});
EDDY_API std::vector<Tensor> gradients(const Tensor& root, std::initializer_list<Tensor> leaves,
                                       const Tensor& seed = {});

// The same, written to memory of the caller: what an optimiser uses. into[i] has the shape of leaves[i] and is written
// even when other handles share it.
EDDY_API void write_gradients(const Tensor& root, std::span<const Tensor> leaves, std::span<Tensor> into,
                              const Tensor& seed = {});

struct Jvp {
  Tensor value, tangent;
};

// function(inputs) and its derivative along the tangents, one of each input's shape (empty: zero), in one forward pass. Both
// come off the tape. Throws Error naming an operation on the way that has no jvp; few have one so far.
EDDY_API Jvp jvp(const std::function<Tensor(std::span<const Tensor>)>& function, std::span<const Tensor> inputs,
                 std::span<const Tensor> tangents);

// Runs `function` without recording its inner operations; they run again during backward. Derivatives flow to `inputs`
// and to every parameter that the function uses.
EDDY_API Tensor checkpoint(const std::function<Tensor(std::span<const Tensor>)>& function,
                           std::span<const Tensor> inputs);

// ---- the thread's scope ------------------------------------------------------------------------------------------

// Dropout is off, or keyed by (seed, micro-step, path of the layer), so that recomputation repeats it.
struct DropoutKey {
  std::uint64_t seed;
  std::uint64_t micro_step;
};

// While one lives, operations of this thread do not record.
class EDDY_API NoGrad {
 public:
  NoGrad() noexcept;
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool previous_;
};

// Re-opens the tape inside a NoGrad: guidance by a gradient needs it.
class EDDY_API EnableGrad {
 public:
  EnableGrad() noexcept;
  ~EnableGrad();
  EnableGrad(const EnableGrad&) = delete;
  EnableGrad& operator=(const EnableGrad&) = delete;

 private:
  bool previous_;
};

// While one lives, operations of this thread look at the token before they run, and at those of the scopes around it.
class EDDY_API CancelScope {
 public:
  explicit CancelScope(const CancelToken& token);
  ~CancelScope();
  CancelScope(const CancelScope&) = delete;
  CancelScope& operator=(const CancelScope&) = delete;
  // Throws Cancelled when one of the tokens is set.
  void check() const;

 private:
  const CancelScope* previous_;
  CancelToken token_;
};

// While one lives, dropout layers of this thread drop.
class EDDY_API DropoutScope {
 public:
  explicit DropoutScope(DropoutKey key) noexcept;
  ~DropoutScope();
  DropoutScope(const DropoutScope&) = delete;
  DropoutScope& operator=(const DropoutScope&) = delete;

 private:
  bool previous_on_;
  DropoutKey previous_;
};

EDDY_API bool grad_enabled() noexcept;
EDDY_API const DropoutKey* dropout_key() noexcept;  // null: dropout is off

}  // namespace eddy::inline v0_1
