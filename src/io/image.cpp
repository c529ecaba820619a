// Pictures. Files are hostile: what stb would overlook is looked at before.
#include "io/image.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/files.hpp"
#include "eddy/error.hpp"
#include "io/stb.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr std::uint64_t kMaxFile = 512u << 20;
constexpr std::int64_t kMaxPixels = std::int64_t{1} << 26;

[[noreturn]] void fail(const std::string& path, const std::string& what) { throw Error("picture " + path + ": " + what); }

// Exactly one frame, at least one scan, an end, and Huffman tables that fit: stb decodes some broken files to gray, and its
// Debian 12 version writes out of bounds for a table with too many codes.
void check_jpeg(const std::string& path, const std::string& file) {
  const auto byte = [&](std::size_t i) -> unsigned { return static_cast<unsigned char>(file[i]); };
  std::size_t at = 2;
  int frames = 0, scans = 0;
  while (at + 4 <= file.size()) {
    if (byte(at) != 0xff) fail(path, "a broken JPEG: no marker at byte " + std::to_string(at));
    const unsigned marker = byte(at + 1);
    if (marker == 0xff) {
      ++at;
      continue;
    }
    const std::size_t length = byte(at + 2) << 8 | byte(at + 3);
    if (length < 2 || at + 2 + length > file.size()) fail(path, "a broken JPEG: a segment reaches beyond the file");
    if (marker == 0xc4) {
      for (std::size_t table = at + 4, end = at + 2 + length; table < end;) {
        if (table + 17 > end) fail(path, "a broken JPEG: a Huffman table is cut short");
        unsigned codes = 0, taken = 0;  // taken: of 2^16 codes of 16 bits
        for (std::size_t i = 1; i <= 16; ++i) {
          codes += byte(table + i);
          taken += byte(table + i) << (16 - i);
        }
        if (codes > 256 || taken > 1u << 16) fail(path, "a broken JPEG: a Huffman table has too many codes");
        table += 17 + codes;
      }
    }
    if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) ++frames;
    at += 2 + length;
    if (marker != 0xda) continue;
    ++scans;
    while (at + 1 < file.size() && !(byte(at) == 0xff && byte(at + 1) != 0 && (byte(at + 1) < 0xd0 || byte(at + 1) > 0xd7))) {
      ++at;
    }
    if (at + 1 < file.size() && byte(at + 1) == 0xd9) {
      if (frames != 1) fail(path, "a broken JPEG: it must have one frame, it has " + std::to_string(frames));
      return;
    }
  }
  fail(path, scans == 0 ? "a JPEG without a scan" : "a JPEG that is cut short");
}

std::uint32_t little32(const std::string& file, std::size_t at) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(file[at + static_cast<std::size_t>(i)]);
  return value;
}

void check_bmp(const std::string& path, const std::string& file, std::int64_t pixels) {
  if (file.size() < 34) fail(path, "a BMP that is cut short");
  const std::uint64_t offset = little32(file, 10), bits = static_cast<unsigned char>(file[28]);
  if (offset + (static_cast<std::uint64_t>(pixels) * bits + 7) / 8 > file.size()) fail(path, "a BMP that is cut short");
}

void check_png(const std::string& path, const std::string& file) {
  constexpr char kEnd[] = "IEND";
  if (file.size() < 12 || std::memcmp(file.data() + file.size() - 8, kEnd, 4) != 0) {
    if (file.find(kEnd) == std::string::npos) fail(path, "a PNG that is cut short");
  }
}

}  // namespace

bool is_picture_name(const std::string& path) {
  const std::string e = lower_extension(path);
  return e == ".png" || e == ".jpg" || e == ".jpeg" || e == ".bmp";
}

Picture read_picture(const std::string& path, int channels) {
  const std::string file = read_file(path, kMaxFile);
  const auto starts = [&](std::string_view magic) { return std::string_view(file).starts_with(magic); };
  const bool png = starts("\x89PNG\r\n\x1a\n"), jpeg = starts("\xff\xd8\xff"), bmp = starts("BM");
  if (!png && !jpeg && !bmp) fail(path, "neither PNG, JPEG nor BMP");
  const auto* data = reinterpret_cast<const unsigned char*>(file.data());
  const int bytes = static_cast<int>(file.size());
  int width = 0, height = 0;
  if (!stb::info(data, bytes, &width, &height)) fail(path, "its header cannot be read");
  const std::int64_t wide = std::abs(static_cast<std::int64_t>(width)), high = std::abs(static_cast<std::int64_t>(height));
  if (wide < 1 || high < 1 || wide > (1 << 24) || high > (1 << 24) || wide * high > kMaxPixels) {
    fail(path, std::to_string(wide) + " x " + std::to_string(high) + " pixels: must be 1 to 2^26 in all");
  }
  if (jpeg) check_jpeg(path, file);
  if (bmp) check_bmp(path, file, wide * high);
  if (png) check_png(path, file);
  const char* failure = nullptr;
  const std::unique_ptr<unsigned char, void (*)(void*)> pixels(
      stb::load(data, bytes, &width, &height, channels, &failure), stb::release);
  if (!pixels) fail(path, std::string("cannot be decoded: ") + (failure != nullptr ? failure : "unknown"));
  Picture picture{width, height, channels, {}};
  picture.pixels.assign(pixels.get(), pixels.get() + static_cast<std::ptrdiff_t>(width) * height * channels);
  return picture;
}

namespace {

struct Weight {
  int first;
  std::vector<double> weights;
};

// Weights of source places for each target place: a triangle as wide as the larger of the two spacings.
std::vector<Weight> resampling(int from, int count, double scale, double offset) {
  std::vector<Weight> result;
  const double reach = std::max(1.0, scale);
  for (int i = 0; i < count; ++i) {
    const double centre = (i + 0.5) * scale + offset - 0.5;
    Weight w{std::max(0, static_cast<int>(std::ceil(centre - reach))), {}};
    const int last = std::min(from - 1, static_cast<int>(std::floor(centre + reach)));
    double total = 0;
    for (int j = w.first; j <= last; ++j) {
      w.weights.push_back(std::max(0.0, 1 - std::abs(j - centre) / reach));
      total += w.weights.back();
    }
    for (double& weight : w.weights) weight /= total;
    result.push_back(std::move(w));
  }
  return result;
}

// One row of the source, brought to the target's columns.
void narrow_row(const Picture& p, int y, const std::vector<Weight>& columns, std::vector<double>& out) {
  const auto c = static_cast<std::size_t>(p.channels);
  const std::uint8_t* source = p.pixels.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(p.width) * c;
  std::size_t at = 0;
  for (const Weight& w : columns) {
    for (std::size_t k = 0; k < c; ++k, ++at) {
      out[at] = 0;
      const std::uint8_t* first = source + static_cast<std::size_t>(w.first) * c + k;
      for (std::size_t j = 0; j < w.weights.size(); ++j) out[at] += w.weights[j] * first[j * c];
    }
  }
}

}  // namespace

Picture resized_and_cropped(const Picture& p, int width, int height) {
  if (p.width == width && p.height == height) return p;
  const double scale = std::min(static_cast<double>(p.width) / width, static_cast<double>(p.height) / height);
  const auto columns = resampling(p.width, width, scale, (p.width - width * scale) / 2);
  const auto rows = resampling(p.height, height, scale, (p.height - height * scale) / 2);
  const auto c = static_cast<std::size_t>(p.channels);
  const std::size_t row = static_cast<std::size_t>(width) * c;
  std::vector<double> narrow(row), sums(row * rows.size());
  const auto end_of = [](const Weight& w) { return w.first + static_cast<int>(w.weights.size()); };
  std::size_t oldest = 0;  // target rows before it are complete
  for (int y = rows.front().first; y < end_of(rows.back()); ++y) {
    narrow_row(p, y, columns, narrow);
    while (end_of(rows[oldest]) <= y) ++oldest;
    for (std::size_t i = oldest; i < rows.size() && rows[i].first <= y; ++i) {
      const double weight = rows[i].weights[static_cast<std::size_t>(y - rows[i].first)];
      for (std::size_t x = 0; x < row; ++x) sums[i * row + x] += weight * narrow[x];
    }
  }
  Picture result{width, height, p.channels, {}};
  for (const double value : sums) result.pixels.push_back(static_cast<std::uint8_t>(std::clamp(value + 0.5, 0.0, 255.0)));
  return result;
}

namespace {

std::uint32_t crc32(std::string_view bytes) {
  std::uint32_t crc = 0xffffffffu;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

std::string big32(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

std::string text_chunk(const std::string& key, const std::string& value) {
  std::string typed = "tEXt" + key.substr(0, 79);
  typed += '\0';
  typed += value;
  return big32(static_cast<std::uint32_t>(typed.size() - 4)) + typed + big32(crc32(typed));
}

}  // namespace

void write_png(const std::string& path, const Picture& p, const std::map<std::string, std::string>& text) {
  int bytes = 0;
  const std::unique_ptr<unsigned char, void (*)(void*)> png(stb::png(p.pixels.data(), p.width, p.height, p.channels, &bytes),
                                                            stb::release);
  if (!png) throw Error("cannot write " + path + ": no memory for the picture");
  const std::string whole(reinterpret_cast<const char*>(png.get()), static_cast<std::size_t>(bytes));
  constexpr std::size_t kHeader = 33;  // signature and IHDR
  OutputFile file(path);
  file.write(whole.substr(0, kHeader));
  for (const auto& [key, value] : text) file.write(text_chunk(key, value));
  file.write(whole.substr(kHeader));
  file.commit();
}

namespace {

std::uint8_t to_byte(float x) {
  const float scaled = (x + 1) * 127.5f;
  if (!(scaled > 0)) return 0;  // NaN too
  return static_cast<std::uint8_t>(std::min(scaled, 255.0f) + 0.5f);
}

int channels_of(const Tensor& images) {
  if (images.rank() != 4 || (images.extent(3) != 1 && images.extent(3) != 3)) {
    throw Error("pictures must be (N, H, W, 1 or 3), got " + to_string(images.shape()));
  }
  return static_cast<int>(images.extent(3));
}

}  // namespace

Picture picture_of(const Tensor& images, std::int64_t index) {
  const Tensor one = images.rows(index, 1);
  Picture p{static_cast<int>(one.extent(2)), static_cast<int>(one.extent(1)), channels_of(images), {}};
  for (const float x : one.values()) p.pixels.push_back(to_byte(x));
  return p;
}

Picture picture_grid(const Tensor& images, int columns) {
  constexpr int kGap = 2;
  const int channels = channels_of(images), n = static_cast<int>(images.extent(0));
  const int height = static_cast<int>(images.extent(1)), width = static_cast<int>(images.extent(2));
  if (columns <= 0) columns = static_cast<int>(std::ceil(std::sqrt(static_cast<double>(n))));
  const int rows = (n + columns - 1) / columns;
  Picture grid{columns * (width + kGap) + kGap, rows * (height + kGap) + kGap, channels, {}};
  grid.pixels.assign(static_cast<std::size_t>(grid.width) * static_cast<std::size_t>(grid.height * channels), 255);
  for (int i = 0; i < n; ++i) {
    const Picture one = picture_of(images, i);
    const int left = i % columns * (width + kGap) + kGap, top = i / columns * (height + kGap) + kGap;
    for (int y = 0; y < height; ++y) {
      const auto from = one.pixels.begin() + static_cast<std::ptrdiff_t>(y) * width * channels;
      std::copy_n(from, width * channels,
                  grid.pixels.begin() + (static_cast<std::ptrdiff_t>(top + y) * grid.width + left) * channels);
    }
  }
  return grid;
}

}  // namespace eddy::inline v0_1
