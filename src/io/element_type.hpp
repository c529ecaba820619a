// The element types of safetensors files, by the names that they have there.
#pragma once

#include <cstddef>
#include <string>

#include "eddy/tensor.hpp"

namespace eddy::inline v0_1 {

unsigned bits_of(const std::string& type);         // 0: there is no such type
std::size_t place_of(const std::string& type);     // in the order by which the Python package sorts what it writes
bool is_floating(const std::string& type);         // F64, F32, F16, BF16: what a model's parameters may be
std::string file_type(DType dtype);

// n elements of one floating type as another, through float32 and rounded to nearest even; equal types are copied. The memory
// need not be aligned.
void convert_elements(const std::string& from, const void* in, std::size_t n, const std::string& to, void* out);

}  // namespace eddy::inline v0_1
