// Golden files and comparisons.
#pragma once

#include <cmath>
#include <string>

#include "eddy/tensor.hpp"
#include "io/safetensors.hpp"
#include "support/paths.hpp"

namespace eddy::test {

// A golden of tests/golden; tensors come as f32 or i64.
class Golden {
 public:
  explicit Golden(const std::string& name) : file_(source_path("tests/golden/" + name + ".safetensors")) {}
  const SafetensorsFile& file() const { return file_; }
  bool has(const std::string& name) const { return file_.find(name) != nullptr; }
  Tensor tensor(const std::string& name, const Context& context = {}) const {
    const SafetensorsEntry& entry = find(name);
    const Shape shape{std::span<const std::int64_t>(entry.shape)};
    if (entry.dtype == "I64") return Tensor::from(file_.read_integers(entry), shape, context);
    Tensor result = Tensor::uninitialised(shape, DType::f32, context);
    file_.read(entry, result.mutable_values());
    return result;
  }

 private:
  const SafetensorsEntry& find(const std::string& name) const {
    const SafetensorsEntry* entry = file_.find(name);
    if (entry == nullptr) throw std::runtime_error("no golden " + name + " in " + file_.path());
    return *entry;
  }
  SafetensorsFile file_;
};

// |a - b| / |b| in L2.
inline double relative_l2(std::span<const float> a, std::span<const float> b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    difference += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
    size += static_cast<double>(b[i]) * b[i];
  }
  return a.size() == b.size() ? std::sqrt(difference / (size > 0 ? size : 1)) : 1e30;
}

}  // namespace eddy::test
