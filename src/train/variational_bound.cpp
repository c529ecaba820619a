// Terms of the variational bound on the tape, a mean a sample in bits (nats over ln 2); the formulas are in bound_term.cpp.
#include <cmath>

#include "eddy/error.hpp"
#include "eddy/train.hpp"
#include "ops/support.hpp"
#include "train/bound_term.hpp"

namespace eddy::inline v0_1 {

namespace {

struct Bound {
  Tensor x0, x, predicted;
  std::vector<BoundTerm> terms;
  bool eight_bit;
};

// Calls body(sample, element, value and slope in v), in nats.
template <class Body>
void each(const Bound& b, const Tensor& v, const Body& body) {
  const std::int64_t n = v.extent(0), row = v.elements() / n;
  for (std::int64_t i = 0; i < n; ++i) {
    const BoundTerm& term = b.terms[static_cast<std::size_t>(i)];
    for (std::int64_t k = i * row; k < (i + 1) * row; ++k) {
      const BoundTerm::Value value = term(data(b.x0)[k], data(b.x)[k], data(b.predicted)[k], data(v)[k], b.eight_bit);
      body(i, k, value.nats, value.slope);
    }
  }
}

double bits_a_dimension(const Tensor& v) {
  return static_cast<double>(v.extent(0)) / static_cast<double>(v.elements()) / std::log(2.0);
}

Tensor forward(Call& call) {
  const Tensor v = call.input(0);
  call.keep_input(0);
  std::vector<double> sums(static_cast<std::size_t>(v.extent(0)), 0.0);
  each(call.attributes<Bound>(), v, [&](std::int64_t i, std::int64_t, double nats, double) { sums[static_cast<std::size_t>(i)] += nats; });
  Tensor result = make({v.extent(0)}, call.context());
  for (std::size_t i = 0; i < sums.size(); ++i) write(result)[i] = static_cast<float>(sums[i] * bits_a_dimension(v));
  return result;
}

void vjp(Call& call, const Tensor& gradient, std::span<Tensor> result) {
  const Tensor v = call.input(0);
  const double scale = bits_a_dimension(v);
  Tensor out = make(v.shape(), call.context());
  each(call.attributes<Bound>(), v, [&](std::int64_t i, std::int64_t k, double, double slope) {
    write(out)[k] = static_cast<float>(slope * scale * static_cast<double>(data(gradient)[i]));
  });
  result[0] = out;
}

const Operation kVariationalBound{"variational_bound", forward, vjp};

}  // namespace

Tensor variational_bound(const Schedule& schedule, const Tensor& x0, const Tensor& x, const Tensor& predicted_x0,
                         const Tensor& v, std::span<const int> timesteps, bool eight_bit) {
  for (const auto& [tensor, name] : {std::pair{&x0, "x0"}, {&x, "x"}, {&predicted_x0, "predicted_x0"}}) {
    require_shape(*tensor, v.shape(), "variational_bound", name);
  }
  require(schedule.steps() > 1 && static_cast<std::int64_t>(timesteps.size()) == v.extent(0), "variational_bound",
          [] { return std::string("needs two steps or more, and one timestep a sample"); });
  Bound bound{x0.detached(), x.detached(), predicted_x0.detached(), {}, eight_bit};
  for (const int t : timesteps) bound.terms.emplace_back(schedule, t);
  return apply(kVariationalBound, {v}, attributes(std::move(bound)));
}

}  // namespace eddy::inline v0_1
