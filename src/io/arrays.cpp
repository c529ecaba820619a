// IDX, CIFAR-10, CSV and .npy.
#include "io/arrays.hpp"

#include <charconv>
#include <cmath>
#include <cstring>

#include "base/files.hpp"
#include "eddy/error.hpp"
#include "io/stb.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 31;

[[noreturn]] void fail(const std::string& path, const std::string& what) { throw Error("data " + path + ": " + what); }

// Length of a gzip member's header [RFC 1952].
std::size_t gzip_header(const std::string& path, const std::string& file) {
  const auto need = [&](std::size_t at) {
    if (at + 8 > file.size()) fail(path, "a gzip file that is cut short");
  };
  need(10);
  const unsigned flags = static_cast<unsigned char>(file[3]);
  std::size_t at = 10;
  if (flags & 4) {
    need(at + 2);
    at += 2 + (static_cast<unsigned char>(file[at]) | static_cast<unsigned>(static_cast<unsigned char>(file[at + 1])) << 8);
  }
  for (const unsigned flag : {8u, 16u}) {  // name, comment
    if (!(flags & flag)) continue;
    need(at);
    const std::size_t end = file.find('\0', at);
    if (end == std::string::npos) fail(path, "a gzip file that is cut short");
    at = end + 1;
  }
  if (flags & 2) at += 2;
  need(at);
  return at;
}

// The content of a file, gzipped or not. The length that the trailer tells must be the content's, and deflate makes at most
// 1032 bytes of one: a small file cannot ask for much memory.
std::string read_maybe_gzipped(const std::string& path) {
  std::string file = read_file(path, kMaxBytes - 1);
  if (file.size() < 18 || static_cast<unsigned char>(file[0]) != 0x1f || static_cast<unsigned char>(file[1]) != 0x8b) return file;
  if (file[2] != 8) fail(path, "gzip with an unknown method");
  const std::size_t begin = gzip_header(path, file), bytes = file.size() - 8 - begin;
  std::uint64_t length = 0;
  for (std::size_t i = 1; i <= 4; ++i) length = length << 8 | static_cast<unsigned char>(file[file.size() - i]);
  if (length >= kMaxBytes || length > bytes * 1032 + 64) fail(path, "a gzip file whose length cannot be true");
  std::string content(static_cast<std::size_t>(length), '\0');
  // The trailer goes in too: the decoder wants to look past the last code.
  const int got = stb::inflate(file.data() + begin, static_cast<int>(bytes + 8), content.data(), static_cast<int>(length));
  if (got < 0 || static_cast<std::uint64_t>(got) != length) fail(path, "a broken gzip file");
  return content;
}

std::uint32_t big32(const std::string& file, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(file[at + i]);
  return value;
}

}  // namespace

ByteArray read_idx(const std::string& path) {
  const std::string file = read_maybe_gzipped(path);
  if (file.size() < 4 || file[0] != 0 || file[1] != 0 || file[2] != 8) fail(path, "not an IDX file of unsigned bytes");
  const auto rank = static_cast<std::size_t>(static_cast<unsigned char>(file[3]));
  if (rank < 1 || rank > 4 || file.size() < 4 + 4 * rank) fail(path, "an IDX file must have 1 to 4 extents");
  ByteArray array;
  std::uint64_t total = 1;
  for (std::size_t i = 0; i < rank; ++i) {
    const std::uint64_t extent = big32(file, 4 + 4 * i);
    if (extent != 0 && total > kMaxBytes / extent) fail(path, "an IDX file with too many elements");
    total *= extent;
    array.shape.push_back(static_cast<std::int64_t>(extent));
  }
  if (file.size() != 4 + 4 * rank + total) {
    fail(path, "its extents need " + std::to_string(total) + " bytes of data, it has " +
                   std::to_string(file.size() - 4 - 4 * rank));
  }
  array.bytes.assign(file.begin() + static_cast<std::ptrdiff_t>(4 + 4 * rank), file.end());
  return array;
}

CifarRecords read_cifar10(const std::string& path) {
  constexpr std::size_t kPixels = 1024, kRecord = 1 + 3 * kPixels;
  const std::string file = read_file(path, kMaxBytes - 1);
  if (file.empty() || file.size() % kRecord != 0) fail(path, "not records of 3073 bytes, as CIFAR-10's binary version has");
  CifarRecords result;
  result.pictures.shape = {static_cast<std::int64_t>(file.size() / kRecord), 32, 32, 3};
  for (std::size_t at = 0; at < file.size(); at += kRecord) {
    const auto label = static_cast<unsigned char>(file[at]);
    if (label > 9) fail(path, "a label above 9");
    result.labels.push_back(label);
    for (std::size_t p = 0; p < kPixels; ++p) {
      for (std::size_t c = 0; c < 3; ++c) {
        result.pictures.bytes.push_back(static_cast<std::uint8_t>(file[at + 1 + c * kPixels + p]));
      }
    }
  }
  return result;
}

Tensor read_csv(const std::string& path, const Context& context) {
  const std::string file = read_file(path, kMaxBytes - 1);
  std::vector<float> values;
  std::int64_t rows = 0, columns = 0, line = 0;
  for (std::size_t at = file.starts_with("\xef\xbb\xbf") ? 3 : 0; at < file.size();) {  // a byte order mark
    std::size_t end = file.find('\n', at);
    if (end == std::string::npos) end = file.size();
    std::string_view text(file.data() + at, end - at);
    at = end + 1;
    ++line;
    if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
    if (text.find_first_not_of(" \t") == std::string_view::npos) continue;
    std::vector<float> row;
    bool numbers = true;
    for (std::size_t first = 0; numbers && first <= text.size();) {
      std::size_t comma = text.find(',', first);
      if (comma == std::string_view::npos) comma = text.size();
      std::string_view cell = text.substr(first, comma - first);
      while (!cell.empty() && (cell.front() == ' ' || cell.front() == '+')) cell.remove_prefix(1);
      while (!cell.empty() && cell.back() == ' ') cell.remove_suffix(1);
      float value = 0;
      const auto [stop, code] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
      numbers = code == std::errc() && stop == cell.data() + cell.size() && std::isfinite(value);
      row.push_back(value);
      first = comma + 1;
    }
    if (!numbers && line == 1) continue;
    if (!numbers) fail(path, "line " + std::to_string(line) + " is not finite numbers separated by commas");
    if (rows > 0 && static_cast<std::int64_t>(row.size()) != columns) {
      fail(path, "line " + std::to_string(line) + " has " + std::to_string(row.size()) + " numbers, the first " +
                     std::to_string(columns));
    }
    columns = static_cast<std::int64_t>(row.size());
    ++rows;
    values.insert(values.end(), row.begin(), row.end());
  }
  if (rows == 0) fail(path, "no numbers");
  return Tensor::from(std::span<const float>(values), {rows, columns}, context);
}

void write_npy(const std::string& path, const Tensor& tensor) {
  std::string shape;
  for (const std::int64_t extent : tensor.shape().extents()) shape += std::to_string(extent) + ", ";
  if (tensor.rank() > 1) shape.resize(shape.size() - 2);
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + shape + "), }";
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 10 - 1, ' ');
  header += '\n';
  OutputFile file(path);
  file.write(std::string("\x93NUMPY\x01\x00", 8));
  const unsigned char length[2] = {static_cast<unsigned char>(header.size()), static_cast<unsigned char>(header.size() >> 8)};
  file.write(length, 2);
  file.write(header);
  file.write(tensor.values().data(), tensor.values().size_bytes());
  file.commit();
}

}  // namespace eddy::inline v0_1
