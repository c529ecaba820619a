// Sums and means, accumulated in double in one order, and the mean squared error of each sample.
//
//   mse_n = w_n / D sum_i (a_ni - b_ni)^2,  da_ni = g_n 2 w_n / D (a_ni - b_ni) = -db_ni,  dw_n = g_n mse_n / w_n
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

// g_n factor_n (a - b), factor_n = sign 2 w_n / D
Tensor error_gradient(Call& call, const Tensor& g, double sign) {
  const Tensor a = call.input(0), b = call.input(1), w = call.input(2);
  const auto n = static_cast<std::size_t>(a.extent(0));
  std::vector<float> plus(n), minus(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double weight = w.defined() ? static_cast<double>(w.values()[i]) : 1.0;
    const double f = sign * 2 * weight / static_cast<double>(per_sample(a)) * g.values()[i];
    plus[i] = static_cast<float>(f);
    minus[i] = -plus[i];
  }
  return combined(plus, a, minus, b);
}

Tensor squared_error(const Tensor& a, const Tensor& b) {
  const Tensor d = arithmetic(Arithmetic::sub, a, b, Broadcast::same);
  return summed(arithmetic(Arithmetic::mul, d, d, Broadcast::same), a.extent(0), 1 / static_cast<double>(per_sample(a)),
                {a.extent(0)});
}

constexpr Operation kMse{"mse_per_sample",
                         [](Call& call) {
                           for (int i = 0; i < 3; ++i) {
                             if (call.has(i)) call.keep_input(i);
                           }
                           const Tensor errors = squared_error(call.input(0), call.input(1));
                           return call.has(2) ? arithmetic(Arithmetic::mul, errors, call.input(2), Broadcast::same) : errors;
                         },
                         [](Call& call, const Tensor& g, std::span<Tensor> result) {
                           if (call.wants(0)) result[0] = error_gradient(call, g, 1);
                           if (call.wants(1)) result[1] = error_gradient(call, g, -1);
                           if (call.wants(2)) {
                             result[2] = arithmetic(Arithmetic::mul, g, squared_error(call.input(0), call.input(1)),
                                                    Broadcast::same);
                           }
                         }};

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

Tensor mse_per_sample(const Tensor& a, const Tensor& b, const Tensor& weight) {
  require_f32(a, "mse_per_sample", "a");
  require(a.rank() > 0 && a.elements() > 0, "mse_per_sample", [&] { return "needs samples, got " + shape_of(a); });
  require_shape(b, a.shape(), "mse_per_sample", "b");
  require_shape_if(weight, {a.extent(0)}, "mse_per_sample", "weight");
  return apply(kMse, {a, b, weight});
}

}  // namespace eddy::inline v0_1
