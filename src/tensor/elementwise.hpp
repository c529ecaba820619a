// Elementwise arithmetic on plain rows, shared out over threads.
#pragma once

#include "eddy/tensor.hpp"

namespace eddy::inline v0_1 {

enum class Arithmetic { add, sub, mul, div };

// How b meets a (rows x columns): element by element, one row for all, one value a row, or one value.
enum class Broadcast { same, row, column, scalar };

// Throws Error naming the operation when the shapes do not fit.
Broadcast broadcast_of(const char* operation, const Shape& a, const Shape& b);

Tensor arithmetic(Arithmetic kind, const Tensor& a, const Tensor& b, Broadcast broadcast);
// x factor + offset.
Tensor scaled(const Tensor& x, float factor, float offset);
// a[i] x + b[i] y for row i (or one pair for all rows); y may be empty.
Tensor combined(std::span<const float> a, const Tensor& x, std::span<const float> b, const Tensor& y);
Tensor limited(const Tensor& x, float low, float high);
// dy where low <= x <= high, else 0.
Tensor limited_gradient(const Tensor& x, const Tensor& dy, float low, float high);

// The sum of what b was broadcast to, in b's shape, in double and one order.
Tensor reduced(const Tensor& gradient, const Shape& shape, Broadcast broadcast);

// Sums of each row of (rows x columns), in double.
void row_sums(const Tensor& x, std::int64_t rows, double* sums);

}  // namespace eddy::inline v0_1
