// safetensors files: 8 bytes of header length, a JSON header, the tensors' bytes without hole or overlap.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "eddy/tensor.hpp"

namespace eddy::inline v0_1 {

// One entry of a header that was checked against the file.
struct SafetensorsEntry {
  std::string name, dtype;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;  // bytes from the start of the file
};

std::string shape_text(const std::vector<std::int64_t>& shape);  // "(16, 28, 28, 1)"

// A file whose header was read and checked by every rule; tensors are read on request.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path);
  const std::string& path() const noexcept { return file_->path(); }
  const std::vector<SafetensorsEntry>& entries() const noexcept { return entries_; }  // by place in the file
  const SafetensorsEntry* find(const std::string& name) const;
  const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }
  // Throws Error where a tensor is of no type that a model's parameters may be.
  void check_floating(const SafetensorsEntry& entry) const;
  // Elements of a floating-point tensor as f32, in blocks straight into `to`. Throws Error for other types.
  void read(const SafetensorsEntry& entry, std::span<float> to) const;
  // Elements of an integer tensor.
  std::vector<std::int64_t> read_integers(const SafetensorsEntry& entry) const;
  std::vector<char> read_bytes(const SafetensorsEntry& entry) const;

 private:
  std::unique_ptr<InputFile> file_;
  std::vector<SafetensorsEntry> entries_;
  std::map<std::string, std::size_t> by_name_;
  std::map<std::string, std::string> metadata_;
};

using ByteSink = std::function<void(const void* bytes, std::size_t n)>;

// A tensor of any element type; `write` gives its bytes to the sink, in one call or several.
struct TensorToWrite {
  std::string name, dtype;
  std::vector<std::int64_t> shape;
  std::function<void(const ByteSink& sink)> write;
};

std::uint64_t bytes_of(const TensorToWrite& tensor);

// Written as the Python package does: tensors by element type (large ones first) and name, header padded to 8 bytes. The file
// appears complete or not at all.
void write_safetensors(const std::string& path, std::vector<TensorToWrite> tensors,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

struct NamedValues {
  std::string name;
  std::vector<std::int64_t> shape;
  std::span<const float> values;
};

// The values as f32, f16 or bf16, rounded to nearest even; their memory must stay.
TensorToWrite to_write(NamedValues values, DType dtype);
void write_safetensors(const std::string& path, const std::vector<NamedValues>& tensors, DType dtype = DType::f32,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace eddy::inline v0_1
