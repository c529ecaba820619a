// safetensors: everything is checked before anything is allocated by what the header says.
#include "io/safetensors.hpp"

#include <algorithm>
#include <cstring>

#include "eddy/error.hpp"
#include "base/half.hpp"
#include "io/json.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr std::uint64_t kMaxHeader = 100'000'000;
constexpr std::size_t kMaxRank = 64, kMaxName = 4096;

struct TypeName {
  const char* name;
  unsigned bits;
};
constexpr TypeName kTypes[] = {{"BOOL", 8},    {"F4", 4},          {"F6_E2M3", 6},     {"F6_E3M2", 6}, {"U8", 8},
                               {"I8", 8},      {"F8_E5M2", 8},     {"F8_E4M3", 8},     {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
                               {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},        {"F16", 16},    {"BF16", 16},
                               {"I32", 32},    {"U32", 32},        {"F32", 32},        {"C64", 64},    {"F64", 64},
                               {"I64", 64},    {"U64", 64}};

unsigned bits_of(const std::string& dtype) {
  for (const TypeName& type : kTypes) {
    if (dtype == type.name) return type.bits;
  }
  return 0;
}

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

std::uint64_t little_endian(const unsigned char* bytes) {
  std::uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | bytes[i];
  return value;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::string& path) : file_(std::make_unique<InputFile>(path)) {
  unsigned char length[8];
  if (file_->size() < 8) throw Error(path + ": safetensors: shorter than 8 bytes");
  file_->read(0, length, 8);
  const std::uint64_t header_bytes = little_endian(length);
  if (header_bytes > kMaxHeader) throw Error(path + ": safetensors: a header of more than 100,000,000 bytes");
  if (header_bytes > file_->size() - 8) throw Error(path + ": safetensors: the header reaches beyond the file");
  std::string text(static_cast<std::size_t>(header_bytes), '\0');
  file_->read(8, text.data(), text.size());
  const Json header = parse_json(text, path);
  const HeaderReader reader(*file_, header_bytes);
  if (!header.is_object()) reader.fail("the header must be an object");
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
}

const SafetensorsEntry* SafetensorsFile::find(const std::string& name) const {
  const auto found = std::ranges::find(entries_, name, &SafetensorsEntry::name);
  return found == entries_.end() ? nullptr : &*found;
}

void SafetensorsFile::read(const SafetensorsEntry& e, std::span<float> to) const {
  const unsigned bits = bits_of(e.dtype);
  if (e.dtype != "F32" && e.dtype != "F16" && e.dtype != "BF16" && e.dtype != "F64") {
    throw Error(path() + ": tensor '" + e.name + "' holds " + e.dtype + ", floating point is needed");
  }
  if ((e.end - e.begin) * 8 / bits != to.size()) throw Error(path() + ": tensor '" + e.name + "' has another size");
  if (e.dtype == "F32") {
    file_->read(e.begin, to.data(), to.size_bytes());
    return;
  }
  constexpr std::size_t kBlock = 1 << 16;  // elements
  std::vector<char> block(std::min(kBlock, to.size()) * bits / 8);
  for (std::size_t done = 0; done < to.size(); done += kBlock) {
    const std::size_t n = std::min(kBlock, to.size() - done);
    file_->read(e.begin + done * bits / 8, block.data(), n * bits / 8);
    for (std::size_t i = 0; i < n; ++i) {
      if (e.dtype == "F64") {
        double value;
        std::memcpy(&value, block.data() + i * 8, 8);
        to[done + i] = static_cast<float>(value);
      } else {
        std::uint16_t value;
        std::memcpy(&value, block.data() + i * 2, 2);
        to[done + i] = e.dtype == "F16" ? float_from_half(value) : float_from_bfloat(value);
      }
    }
  }
}

std::vector<std::int64_t> SafetensorsFile::read_integers(const SafetensorsEntry& e) const {
  if (e.dtype != "I64" && e.dtype != "I32" && e.dtype != "U8") {
    throw Error(path() + ": tensor '" + e.name + "' holds " + e.dtype + ", I64, I32 or U8 is needed");
  }
  const std::size_t size = bits_of(e.dtype) / 8, n = static_cast<std::size_t>(e.end - e.begin) / size;
  std::vector<char> bytes(n * size);
  file_->read(e.begin, bytes.data(), bytes.size());
  std::vector<std::int64_t> result(n);
  for (std::size_t i = 0; i < n; ++i) {
    if (size == 8) std::memcpy(&result[i], bytes.data() + i * 8, 8);
    if (size == 4) {
      std::int32_t value;
      std::memcpy(&value, bytes.data() + i * 4, 4);
      result[i] = value;
    }
    if (size == 1) result[i] = static_cast<unsigned char>(bytes[i]);
  }
  return result;
}

void write_safetensors(const std::string& path, const std::vector<NamedValues>& tensors, DType dtype,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<const NamedValues*> order;
  for (const NamedValues& t : tensors) order.push_back(&t);
  std::ranges::sort(order, {}, [](const NamedValues* t) { return t->name; });
  const std::size_t size = size_of(dtype);
  const char* type = dtype == DType::f16 ? "F16" : dtype == DType::bf16 ? "BF16" : "F32";
  // The Python package writes compact JSON with the metadata first and the tensors in the order of their data.
  std::string header = "{";
  if (!metadata.empty()) header += "\"__metadata__\":" + Json(metadata).dump(-1, ' ', false);
  std::uint64_t at = 0;
  for (const NamedValues* t : order) {
    const std::uint64_t end = at + t->values.size() * size;
    if (header.size() > 1) header += ",";
    header += Json(t->name).dump() + ":{\"dtype\":\"" + type + "\",\"shape\":" + Json(t->shape).dump() +
              ",\"data_offsets\":[" + std::to_string(at) + "," + std::to_string(end) + "]}";
    at = end;
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  OutputFile file(path);
  unsigned char length[8];
  for (int i = 0; i < 8; ++i) length[i] = static_cast<unsigned char>(header.size() >> (8 * i));
  file.write(length, 8);
  file.write(header);
  std::vector<std::uint16_t> narrow;
  for (const NamedValues* t : order) {
    if (dtype == DType::f32) {
      file.write(t->values.data(), t->values.size_bytes());
      continue;
    }
    narrow.resize(t->values.size());
    std::ranges::transform(t->values, narrow.begin(), dtype == DType::f16 ? half_from_float : bfloat_from_float);
    file.write(narrow.data(), narrow.size() * 2);
  }
  file.commit();
}

}  // namespace eddy::inline v0_1
