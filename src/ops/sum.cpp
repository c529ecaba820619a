// Sums and means, accumulated in double in one order.
#include <vector>

#include "ops/support.hpp"
#include "tensor/elementwise.hpp"

namespace eddy::inline v0_1 {

namespace {

// Row sums of (rows, ...) times a factor, rows values (or a scalar).
Tensor summed(const Tensor& x, std::int64_t rows, double factor, const Shape& shape) {
  std::vector<double> sums(static_cast<std::size_t>(rows));
  row_sums(x, rows, sums.data());
  Tensor y = make(shape, x.context());
  float* out = write(y);
  for (std::size_t i = 0; i < sums.size(); ++i) out[i] = static_cast<float>(sums[i] * factor);
  return y;
}

struct Factor {
  double factor;
  bool per_sample;
};

constexpr Operation kSum{"sum",
                         [](Call& call) {
                           const Tensor x = call.input(0);
                           const Factor& f = call.attributes<Factor>();
                           const std::int64_t rows = f.per_sample ? x.extent(0) : 1;
                           return summed(x, rows, f.factor, f.per_sample ? Shape{rows} : Shape{});
                         },
                         [](Call& call, const Tensor& g, std::span<Tensor> result) {
                           const Tensor factors = scaled(g, static_cast<float>(call.attributes<Factor>().factor), 0);
                           const Tensor nothing = Tensor::zeros(call.input_shape(0), g.context());
                           const Broadcast b = call.attributes<Factor>().per_sample ? Broadcast::column : Broadcast::scalar;
                           result[0] = arithmetic(Arithmetic::add, nothing, factors, b);
                         }};

std::int64_t per_sample(const Tensor& x) { return x.extent(0) > 0 ? x.elements() / x.extent(0) : 0; }

}  // namespace

Tensor sum(const Tensor& x) {
  require_f32(x, "sum", "x");
  return apply(kSum, {x}, attributes(Factor{1, false}));
}

Tensor mean(const Tensor& x) {
  require_f32(x, "mean", "x");
  require(x.elements() > 0, "mean", [] { return "x has no elements"; });
  return apply(kSum, {x}, attributes(Factor{1 / static_cast<double>(x.elements()), false}));
}

Tensor mean_per_sample(const Tensor& x) {
  require_f32(x, "mean_per_sample", "x");
  require(x.rank() > 0 && x.elements() > 0, "mean_per_sample", [&] { return "needs samples, got " + shape_of(x); });
  return apply(kSum, {x}, attributes(Factor{1 / static_cast<double>(per_sample(x)), true}));
}

}  // namespace eddy::inline v0_1
