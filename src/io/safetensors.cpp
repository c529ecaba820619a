// safetensors: everything is checked before anything is allocated by what the header says.
#include "io/safetensors.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "eddy/error.hpp"
#include "io/element_type.hpp"
#include "io/json.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr std::uint64_t kMaxHeader = 100'000'000;
constexpr std::size_t kMaxRank = 64, kMaxName = 4096;
constexpr std::size_t kBlock = 1 << 16;  // elements that are converted at a time

class HeaderReader {
 public:
  HeaderReader(const InputFile& file, std::uint64_t header_bytes)
      : file_(file), data_begin_(8 + header_bytes), data_bytes_(file.size() - 8 - header_bytes) {}

  SafetensorsEntry entry(const std::string& name, const Json& info) const {
    SafetensorsEntry e;
    e.name = name;
    if (name.size() > kMaxName) fail("a tensor's name is longer than 4096 bytes");
    if (!info.is_object()) fail(name, "must be an object");
    const Json& dtype = field(name, info, "dtype");
    if (!dtype.is_string()) fail(name, "dtype must be a string");
    e.dtype = dtype.get<std::string>();
    const unsigned bits = bits_of(e.dtype);
    if (bits == 0) fail(name, "unknown dtype '" + e.dtype.substr(0, 40) + "'");
    e.shape = extents(name, field(name, info, "shape"));
    const Json& offsets = field(name, info, "data_offsets");
    if (!offsets.is_array() || offsets.size() != 2) fail(name, "data_offsets must be two integers");
    const std::uint64_t begin = unsigned_of(name, offsets[0]), end = unsigned_of(name, offsets[1]);
    if (begin > end || end > data_bytes_) fail(name, "data_offsets reach beyond the file");
    if (end - begin != bytes_of(name, e.shape, bits)) fail(name, "data_offsets do not hold dtype and shape");
    e.begin = data_begin_ + begin;
    e.end = data_begin_ + end;
    return e;
  }

  void check_tiling(const std::vector<SafetensorsEntry>& sorted) const {
    std::uint64_t at = data_begin_;
    for (const SafetensorsEntry& e : sorted) {
      if (e.begin != at) fail(e.name, "a hole or an overlap before its data");
      at = e.end;
    }
    if (at != data_begin_ + data_bytes_) fail("bytes after the last tensor");
  }

  [[noreturn]] void fail(const std::string& message) const { throw Error(file_.path() + ": safetensors: " + message); }

 private:
  [[noreturn]] void fail(const std::string& name, const std::string& message) const {
    fail("tensor '" + name.substr(0, 200) + "': " + message);
  }
  const Json& field(const std::string& name, const Json& info, const char* key) const {
    const auto found = info.find(key);
    if (found == info.end()) fail(name, std::string(key) + " is missing");
    return *found;
  }
  std::uint64_t unsigned_of(const std::string& name, const Json& value) const {
    if (!value.is_number_unsigned()) fail(name, "sizes and offsets must be integers from 0 on");
    return value.get<std::uint64_t>();
  }
  std::vector<std::int64_t> extents(const std::string& name, const Json& shape) const {
    if (!shape.is_array() || shape.size() > kMaxRank) fail(name, "shape must be a list of at most 64 extents");
    std::vector<std::int64_t> result;
    for (const Json& extent : shape) {
      const std::uint64_t value = unsigned_of(name, extent);
      if (value > (std::uint64_t{1} << 62)) fail(name, "an extent is beyond 2^62");
      result.push_back(static_cast<std::int64_t>(value));
    }
    return result;
  }
  std::uint64_t bytes_of(const std::string& name, const std::vector<std::int64_t>& shape, unsigned bits) const {
    std::uint64_t total = bits;
    for (const std::int64_t extent : shape) {
      const auto e = static_cast<std::uint64_t>(extent);
      if (e != 0 && total > UINT64_MAX / e) fail(name, "the size overflows");
      total *= e;
    }
    if (total % 8 != 0) fail(name, "the data do not end at a byte");
    return total / 8;
  }

  const InputFile& file_;
  std::uint64_t data_begin_, data_bytes_;
};

// A repository that was fetched without Git LFS has three lines of text where the file belongs, the last "size N".
void refuse_lfs_pointer(const InputFile& file) {
  constexpr std::string_view kBegin = "version https://git-lfs.github.com/spec/v1", kSize = "\nsize ";
  if (file.size() < kBegin.size() || file.size() > 1024) return;
  std::string text(static_cast<std::size_t>(file.size()), '\0');
  file.read(0, text.data(), text.size());
  if (!text.starts_with(kBegin)) return;
  const std::size_t at = text.find(kSize);
  const std::size_t begin = at + kSize.size();
  const std::string size = at == std::string::npos ? "" : text.substr(begin, text.find('\n', begin) - begin);
  throw Error(file.path() + ": is a pointer of Git LFS, not the weights themselves" +
              (size.empty() ? "" : ", a file of " + size + " bytes") +
              "; fetch them with `git lfs pull` in the repository, or download the file");
}

// The bytes of data that a header tells of.
std::uint64_t data_bytes_of(const Json& header) {
  std::uint64_t most = 0;
  for (const auto& [name, info] : header.items()) {
    const Json offsets = info.is_object() ? info.value("data_offsets", Json()) : Json();
    if (offsets.is_array() && offsets.size() == 2 && offsets[1].is_number_unsigned()) {
      most = std::max(most, offsets[1].get<std::uint64_t>());
    }
  }
  return most;
}

std::uint64_t little_endian(const unsigned char* bytes) {
  std::uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | bytes[i];
  return value;
}

}  // namespace

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
}

SafetensorsFile::SafetensorsFile(const std::string& path) : file_(std::make_unique<InputFile>(path)) {
  refuse_lfs_pointer(*file_);
  unsigned char length[8];
  const std::string size = std::to_string(file_->size()), again = "; download or copy it again";
  if (file_->size() < 8) throw Error(path + ": safetensors: the file is cut short, to " + size + " bytes" + again);
  file_->read(0, length, 8);
  const std::uint64_t header_bytes = little_endian(length);
  if (header_bytes > kMaxHeader) {
    throw Error(path + ": is no safetensors file: its first 8 bytes give a header of more than 100,000,000 bytes");
  }
  if (header_bytes > file_->size() - 8) {
    throw Error(path + ": safetensors: the file is cut short, or none: its header alone must have " +
                std::to_string(header_bytes) + " bytes, the file has " + size + again);
  }
  std::string text(static_cast<std::size_t>(header_bytes), '\0');
  file_->read(8, text.data(), text.size());
  const Json header = parse_json(text, path);
  const HeaderReader reader(*file_, header_bytes);
  if (!header.is_object()) reader.fail("the header must be an object");
  if (const std::uint64_t wanted = data_bytes_of(header), there = file_->size() - 8 - header_bytes; wanted > there) {
    reader.fail("the file is cut short: its header tells of " + std::to_string(wanted) + " bytes of data, there are " +
                std::to_string(there) + again);
  }
  for (const auto& [name, info] : header.items()) {
    if (name != "__metadata__") {
      entries_.push_back(reader.entry(name, info));
      continue;
    }
    if (info.is_null()) continue;
    if (!info.is_object()) reader.fail("__metadata__ must be an object of strings");
    for (const auto& [key, value] : info.items()) {
      if (!value.is_string()) reader.fail("__metadata__ must be an object of strings");
      metadata_[key] = value.get<std::string>();
    }
  }
  std::ranges::sort(entries_, [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  reader.check_tiling(entries_);
  for (std::size_t i = 0; i < entries_.size(); ++i) by_name_[entries_[i].name] = i;
}

const SafetensorsEntry* SafetensorsFile::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &entries_[found->second];
}

void SafetensorsFile::check_floating(const SafetensorsEntry& e) const {
  if (!is_floating(e.dtype)) {
    throw Error(path() + ": tensor '" + e.name + "' holds " + e.dtype + "; a floating type is needed: F64, F32, F16 or BF16");
  }
}

void SafetensorsFile::read(const SafetensorsEntry& e, std::span<float> to) const {
  check_floating(e);
  const std::size_t size = bits_of(e.dtype) / 8;
  if ((e.end - e.begin) / size != to.size()) throw Error(path() + ": tensor '" + e.name + "' has another size");
  if (e.dtype == "F32") {
    file_->read(e.begin, to.data(), to.size_bytes());
    return;
  }
  std::vector<char> block(std::min(kBlock, to.size()) * size);
  for (std::size_t done = 0; done < to.size(); done += kBlock) {
    const std::size_t n = std::min(kBlock, to.size() - done);
    file_->read(e.begin + done * size, block.data(), n * size);
    convert_elements(e.dtype, block.data(), n, "F32", to.data() + done);
  }
}

std::vector<char> SafetensorsFile::read_bytes(const SafetensorsEntry& e) const {
  std::vector<char> bytes(static_cast<std::size_t>(e.end - e.begin));
  file_->read(e.begin, bytes.data(), bytes.size());
  return bytes;
}

namespace {

template <class T>
std::vector<std::int64_t> widened(const std::vector<char>& bytes) {
  std::vector<std::int64_t> result(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < result.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    result[i] = static_cast<std::int64_t>(value);
  }
  return result;
}

}  // namespace

std::vector<std::int64_t> SafetensorsFile::read_integers(const SafetensorsEntry& e) const {
  if (e.dtype == "I64") return widened<std::int64_t>(read_bytes(e));
  if (e.dtype == "I32") return widened<std::int32_t>(read_bytes(e));
  if (e.dtype == "I16") return widened<std::int16_t>(read_bytes(e));
  if (e.dtype == "I8") return widened<std::int8_t>(read_bytes(e));
  if (e.dtype == "U32") return widened<std::uint32_t>(read_bytes(e));
  if (e.dtype == "U16") return widened<std::uint16_t>(read_bytes(e));
  if (e.dtype == "U8" || e.dtype == "BOOL") return widened<std::uint8_t>(read_bytes(e));
  throw Error(path() + ": tensor '" + e.name + "' holds " + e.dtype + "; an integer type is needed: I64, I32, I16, I8, U32, U16, " +
              "U8 or BOOL");
}

std::uint64_t bytes_of(const TensorToWrite& t) {
  std::uint64_t elements = 1;
  for (const std::int64_t extent : t.shape) elements *= static_cast<std::uint64_t>(extent);
  return elements * bits_of(t.dtype) / 8;
}

namespace {

// The Python package writes compact JSON with the metadata first and the tensors in the order of their data.
std::string header_of(const std::vector<TensorToWrite>& tensors, const std::map<std::string, std::string>& metadata) {
  std::string header = "{";
  if (!metadata.empty()) header += "\"__metadata__\":" + Json(metadata).dump(-1, ' ', false);
  std::uint64_t at = 0;
  for (const TensorToWrite& t : tensors) {
    const std::uint64_t end = at + bytes_of(t);
    if (header.size() > 1) header += ",";
    header += Json(t.name).dump() + ":{\"dtype\":\"" + t.dtype + "\",\"shape\":" + Json(t.shape).dump() +
              ",\"data_offsets\":[" + std::to_string(at) + "," + std::to_string(end) + "]}";
    at = end;
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  return header;
}

}  // namespace

void write_safetensors(const std::string& path, std::vector<TensorToWrite> tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::ranges::sort(tensors, [](const TensorToWrite& a, const TensorToWrite& b) {
    const std::size_t i = place_of(a.dtype), j = place_of(b.dtype);
    return i != j ? i > j : a.name < b.name;
  });
  const std::string header = header_of(tensors, metadata);
  OutputFile file(path);
  unsigned char length[8];
  for (int i = 0; i < 8; ++i) length[i] = static_cast<unsigned char>(header.size() >> (8 * i));
  file.write(length, 8);
  file.write(header);
  for (const TensorToWrite& t : tensors) {
    std::uint64_t written = 0;
    t.write([&](const void* bytes, std::size_t n) {
      written += n;
      file.write(bytes, n);
    });
    if (written != bytes_of(t)) throw Error(path + ": " + t.name + ": " + std::to_string(written) + " bytes are not its shape's");
  }
  file.commit();
}

TensorToWrite to_write(NamedValues values, DType dtype) {
  const std::string type = file_type(dtype);
  return {values.name, type, values.shape, [from = values.values, type](const ByteSink& sink) {
            std::vector<char> block(std::min(kBlock, from.size()) * bits_of(type) / 8);
            for (std::size_t done = 0; done < from.size(); done += kBlock) {
              const std::size_t n = std::min(kBlock, from.size() - done);
              convert_elements("F32", from.data() + done, n, type, block.data());
              sink(block.data(), n * bits_of(type) / 8);
            }
          }};
}

void write_safetensors(const std::string& path, const std::vector<NamedValues>& tensors, DType dtype,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<TensorToWrite> all;
  for (const NamedValues& t : tensors) all.push_back(to_write(t, dtype));
  write_safetensors(path, std::move(all), metadata);
}

}  // namespace eddy::inline v0_1
