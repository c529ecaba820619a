// safetensors files: 8 bytes of header length, a JSON header, the tensors' bytes without hole or overlap.
#pragma once

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

// A file whose header was read and checked by every rule; tensors are read on request.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path);
  const std::string& path() const noexcept { return file_->path(); }
  const std::vector<SafetensorsEntry>& entries() const noexcept { return entries_; }  // by place in the file
  const SafetensorsEntry* find(const std::string& name) const;
  const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }
  // Elements of a floating-point tensor as f32, in blocks straight into `to`. Throws Error for other types.
  void read(const SafetensorsEntry& entry, std::span<float> to) const;
  // Elements of an integer tensor.
  std::vector<std::int64_t> read_integers(const SafetensorsEntry& entry) const;

 private:
  std::unique_ptr<InputFile> file_;
  std::vector<SafetensorsEntry> entries_;
  std::map<std::string, std::string> metadata_;
};

struct NamedValues {
  std::string name;
  std::vector<std::int64_t> shape;
  std::span<const float> values;
};

// Written as the Python package does: tensors by element size (large first) and name, header padded to 8 bytes. dtype: f32,
// f16 or bf16, rounded to nearest even. The file appears complete or not at all.
void write_safetensors(const std::string& path, const std::vector<NamedValues>& tensors, DType dtype = DType::f32,
                       const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace eddy::inline v0_1
