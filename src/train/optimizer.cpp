// AdamW over arenas: gradients, moments and average of exactly the trainable parameters, in the tree's order.
#include <algorithm>
#include <cmath>

#include "base/portable_math.hpp"
#include "eddy/error.hpp"
#include "eddy/train.hpp"
#include "ops/support.hpp"

namespace eddy::inline v0_1 {

namespace {

// Parameters of the same factors whose values lie one after another: one walk.
struct Segment {
  std::size_t first, count;
  std::int64_t offset, elements;
  ParameterFactors factors;
};

}  // namespace

struct Optimizer::State {
  std::vector<Parameter> parameters;
  OptimizerOptions options;
  Context context;
  std::vector<std::int64_t> offsets;
  std::vector<Segment> segments;
  std::int64_t elements = 0, applied = 0;
  Tensor m, v, ema;
  Tensor gradients;  // of the last step, written again when nobody looks at them any more

  State(const OptimizerOptions& o, const Context& c) : options(o), context(c) {}

  // body(values, offset, elements, factors) for each segment, the parameters' versions raised.
  template <class Body>
  void walk(const Body& body) const {
    for (const Segment& s : segments) {
      float* values = nullptr;
      for (std::size_t i = s.first; i < s.first + s.count; ++i) {
        float* here = parameters[i].write().data();
        if (i == s.first) values = here;
      }
      body(values, s.offset, s.elements, s.factors);
    }
  }
};

Optimizer::Optimizer(std::span<const Parameter> parameters, const OptimizerOptions& options) {
  const auto first = std::ranges::find_if(parameters, [](const Parameter& p) { return p.trainable(); });
  if (first == parameters.end()) throw Error("Optimizer: there is no trainable parameter");
  state_ = std::make_shared<State>(options, first->value().context());
  State& s = *state_;
  const float* end = nullptr;
  const Storage* arena = nullptr;
  for (const Parameter& p : parameters) {
    if (!p.trainable()) continue;
    if (!(p.value().context() == s.context)) {
      throw Error("Optimizer: " + p.name() + " and " + first->name() + " belong to different Contexts");
    }
    const std::int64_t length = padded(p.value().elements());
    const float* values = p.value().values().data();
    const Storage* storage = Tensor::Access::storage(p.value()).get();
    const ParameterFactors factors = options.factors ? options.factors(p) : ParameterFactors{};
    if (!(factors.rate >= 0 && factors.decay >= 0)) throw Error("Optimizer: factors of " + p.name() + " must not be negative");
    const bool joins = values == end && storage == arena && factors == s.segments.back().factors;
    if (!joins) s.segments.push_back({s.parameters.size(), 0, s.elements, 0, factors});
    s.segments.back().count += 1;
    s.segments.back().elements = s.elements + p.value().elements() - s.segments.back().offset;
    s.parameters.push_back(p);
    s.offsets.push_back(s.elements);
    s.elements += length;
    end = values + length;
    arena = storage;
  }
  s.gradients = make({s.elements}, s.context);
  s.m = Tensor::zeros({s.elements}, s.context);
  s.v = Tensor::zeros({s.elements}, s.context);
  if (options.ema) {
    s.ema = Tensor::zeros({s.elements}, s.context);
    for (std::size_t i = 0; i < s.parameters.size(); ++i) {
      std::ranges::copy(s.parameters[i].value().values(), write(part(s.ema, i)));
    }
  }
}

const std::vector<Parameter>& Optimizer::parameters() const { return state_->parameters; }
std::int64_t Optimizer::applied() const { return state_->applied; }
void Optimizer::set_applied(std::int64_t n) const { state_->applied = n; }
const Tensor& Optimizer::first_moment() const { return state_->m; }
const Tensor& Optimizer::second_moment() const { return state_->v; }
const Tensor& Optimizer::average() const { return state_->ema; }

Tensor Optimizer::part(const Tensor& arena, std::size_t i) const {
  const Shape& shape = state_->parameters[i].shape();
  return arena.rows(state_->offsets[i], shape.elements()).viewed(shape);
}

Tensor Optimizer::gradients(const Tensor& loss) const {
  Tensor& kept = state_->gradients;
  if (Tensor::Access::storage(kept).use_count() > 1) kept = make({state_->elements}, state_->context);
  const Tensor arena = kept;
  std::vector<Tensor> leaves, into;
  for (std::size_t i = 0; i < state_->parameters.size(); ++i) {
    leaves.push_back(state_->parameters[i].value());
    into.push_back(part(arena, i));
    const std::int64_t end = state_->offsets[i] + leaves.back().elements();
    const std::int64_t next = i + 1 < state_->offsets.size() ? state_->offsets[i + 1] : state_->elements;
    std::fill_n(write(arena) + end, next - end, 0.0f);  // the walks pass over what lies between two parameters
  }
  write_gradients(loss, leaves, into);
  return arena;
}

double Optimizer::norm(const Tensor& gradients) const {
  std::vector<double> pieces(static_cast<std::size_t>(state_->elements / 4096 + 1));
  const auto sum = state_->context.kernels().optimizer.sum_of_squares;
  return std::sqrt(sum(launch_of(state_->context), state_->elements, data(gradients), pieces.data()));
}

void Optimizer::step(const Tensor& gradients, double rate, double factor, double ema_decay) const {
  State& s = *state_;
  const auto& o = s.options;
  ++s.applied;
  s.walk([&](float* values, std::int64_t offset, std::int64_t elements, const ParameterFactors& own) {
    const double own_rate = rate * own.rate;
    const AdamWFactors f{static_cast<float>(factor),
                         static_cast<float>(1 - o.beta1),
                         static_cast<float>(o.beta2),
                         static_cast<float>(1 - o.beta2),
                         static_cast<float>(own_rate / (1 - portable_power(o.beta1, s.applied))),
                         static_cast<float>(1 / std::sqrt(1 - portable_power(o.beta2, s.applied))),
                         static_cast<float>(o.eps),
                         static_cast<float>(1 - own_rate * o.weight_decay * own.decay),
                         static_cast<float>(1 - ema_decay)};
    s.context.kernels().optimizer.adamw(launch_of(s.context), elements, f, data(gradients) + offset, values,
                                        write(s.m) + offset, write(s.v) + offset, s.ema.defined() ? write(s.ema) + offset : nullptr);
  });
}

void Optimizer::update_average(double ema_decay) const {
  if (!state_->ema.defined()) return;
  const Context& context = state_->context;
  state_->walk([&](const float* values, std::int64_t offset, std::int64_t elements, const ParameterFactors&) {
    context.kernels().optimizer.average(launch_of(context), elements, static_cast<float>(1 - ema_decay), values,
                                        write(state_->ema) + offset);
  });
}

void Optimizer::swap_average() const {
  if (!state_->ema.defined()) throw Error("Optimizer: it keeps no average");
  state_->walk([&](float* values, std::int64_t offset, std::int64_t elements, const ParameterFactors&) {
    std::swap_ranges(values, values + elements, write(state_->ema) + offset);
  });
}

}  // namespace eddy::inline v0_1
