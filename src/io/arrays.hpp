// Arrays in files: IDX (plain or gzipped), CIFAR-10 binary, CSV of numbers, .npy.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eddy/tensor.hpp"

namespace eddy::inline v0_1 {

// Bytes with extents, outermost first.
struct ByteArray {
  std::vector<std::int64_t> shape;
  std::vector<std::uint8_t> bytes;
};

// An IDX file of unsigned bytes. Throws Error when the header and the file's length do not agree.
ByteArray read_idx(const std::string& path);

// Records of CIFAR-10's binary version: a label, then 3072 bytes (3, 32, 32); pictures come as (N, 32, 32, 3).
struct CifarRecords {
  ByteArray pictures;
  std::vector<std::int64_t> labels;
};
CifarRecords read_cifar10(const std::string& path);

// Rows of numbers separated by commas; a first line that is no numbers is a heading. (rows, columns).
Tensor read_csv(const std::string& path, const Context& context = {});

// float32, C order, version 1.0. Appears complete or not at all.
void write_npy(const std::string& path, const Tensor& tensor);

}  // namespace eddy::inline v0_1
