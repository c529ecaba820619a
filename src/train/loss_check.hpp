// What a loss must return.
#pragma once

#include "eddy/error.hpp"
#include "eddy/tensor.hpp"

namespace eddy::inline v0_1 {

// One f32 value a sample; throws Error naming the caller.
inline void check_loss(const char* who, const Tensor& values, std::int64_t n) {
  if (values.defined() && values.dtype() == DType::f32 && values.shape() == Shape{n}) return;
  throw Error(std::string(who) + ": a loss must return one f32 value a sample, (" + std::to_string(n) + "), got " +
              (values.defined() ? name(values.dtype()) + (" " + to_string(values.shape())) : "an empty tensor"));
}

}  // namespace eddy::inline v0_1
