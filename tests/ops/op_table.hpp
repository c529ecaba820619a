// Every operation with its shapes, its naive reference and the error that its algorithm makes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "eddy/ops.hpp"
#include "kernels/in_double.hpp"
#include "reference/array.hpp"

namespace eddy::test {

enum class Fill { normal, positive, mask, index, timestep };

struct Input {
  std::vector<std::int64_t> shape;  // empty and `absent`: not given
  Fill fill = Fill::normal;
  DType dtype = DType::f32;  // f16 and bf16: a weight, no derivative
  bool absent = false;
  double spread = 1;         // of normal values
};
inline Input absent() { return {{}, Fill::normal, DType::f32, true}; }

struct Row {
  std::string name;
  std::vector<Input> inputs;
  std::function<Tensor(const std::vector<Tensor>&)> run;
  std::function<Array(const std::vector<Array>&)> reference;
  double error = 6;  // value and gradients are within error 2^-24 (size of the terms); the largest measured is 5
  // The same formulas in double; null where the operation is not heavy with them.
  std::function<InDouble(const std::vector<Array>& in, const Array& seed)> in_double{};
};

const std::vector<Row>& op_table();

}  // namespace eddy::test
