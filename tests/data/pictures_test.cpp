// Folders of pictures, of src/data/open.cpp.
#include <sys/stat.h>

#include "base/files.hpp"
#include "eddy/eddy.hpp"
#include "io/image.hpp"
#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace eddy;
using eddy::test::Temporary;

namespace {

void png(const std::string& path, int width, int height, int channels, std::vector<std::uint8_t> pixels) {
  write_png(path, {width, height, channels, std::move(pixels)});
}

// 24 bits, rows from the bottom up, blue first, padded to 4 bytes.
std::string bmp(int width, int height, const std::vector<std::uint8_t>& rgb) {
  const auto little = [](std::uint32_t value, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i & 255);
    return text;
  };
  std::string rows;
  for (int y = height - 1; y >= 0; --y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 2; c >= 0; --c) rows += static_cast<char>(rgb[static_cast<std::size_t>((y * width + x) * 3 + c)]);
    }
    while (rows.size() % 4 != 0) rows += '\0';
  }
  const auto w = static_cast<std::uint32_t>(width), h = static_cast<std::uint32_t>(height);
  return "BM" + little(static_cast<std::uint32_t>(54 + rows.size()), 4) + little(0, 4) + little(54, 4) + little(40, 4) +
         little(w, 4) + little(h, 4) + little(1, 2) + little(24, 2) + std::string(24, '\0') + rows;
}

// Bytes of sample i.
std::vector<int> bytes(const Dataset& data, std::int64_t i, std::int64_t label = -1) {
  std::vector<float> values(static_cast<std::size_t>(data.sample_shape().elements()));
  CHECK(data.fetch(i, values) == label);
  std::vector<int> result;
  for (const float v : values) result.push_back(static_cast<int>((static_cast<double>(v) + 1) * 127.5 + 0.5));
  return result;
}

}  // namespace

TEST_CASE("picture folders: in the order of their paths, sub-folders too, other files left aside") {
  const Temporary folder;
  make_directories(folder / "b/deep");
  png(folder / "c.png", 1, 1, 1, {30});
  png(folder / "b/deep/x.PNG", 1, 1, 1, {20});
  png(folder / "a.png", 1, 1, 1, {10});
  write_file(folder / "d.bmp", bmp(1, 1, {40, 40, 40}));
  write_file(folder / "notes.txt", "no picture");
  write_file(folder / ".hidden.png", "no picture");
  make_directories(folder / ".cache");
  write_file(folder / ".cache/x.png", "no picture");
  const Data all = open_data(folder / "", {.channels = 1});
  CHECK(all.skipped == 1);
  const auto data = all.train;
  REQUIRE(data->size() == 4);
  CHECK(data->sample_shape() == Shape{1, 1, 1});
  CHECK(data->classes() == 0);
  for (std::int64_t i = 0; i < 4; ++i) CHECK(bytes(*data, i) == std::vector<int>{10 * static_cast<int>(i + 1)});
}

TEST_CASE("picture folders: sub-folders are classes when asked") {
  const Temporary folder;
  for (const char* name : {"dog", "cat/deep", ".git"}) make_directories(folder / name);
  png(folder / "dog/1.png", 1, 1, 1, {10});
  png(folder / "cat/deep/1.png", 1, 1, 1, {20});
  png(folder / "cat/2.png", 1, 1, 1, {30});
  png(folder / "loose.png", 1, 1, 1, {99});
  write_file(folder / "cat/moving.gif", "no picture");
  const Data all = open_data(folder / "", {.channels = 1, .class_folders = true});
  CHECK(all.skipped == 2);
  const auto data = all.train;
  CHECK(data->class_names() == std::vector<std::string>{"cat", "dog"});
  REQUIRE(data->size() == 3);
  CHECK(bytes(*data, 0, 0) == std::vector<int>{30});
  CHECK(bytes(*data, 1, 0) == std::vector<int>{20});
  CHECK(bytes(*data, 2, 1) == std::vector<int>{10});
  CHECK_THROWS_WITH(open_data(folder / "dog", {.class_folders = true}), Catch::Contains("sub-folders"));
  make_directories(folder / "emu");
  CHECK_THROWS_WITH(open_data(folder / "", {.class_folders = true}),
                    Catch::Contains(folder / "emu") && Catch::Contains("without"));
}

TEST_CASE("picture folders: gray and colour go into each other") {
  const Temporary folder;
  png(folder / "a.png", 1, 1, 3, {10, 200, 30});
  png(folder / "b.png", 1, 1, 1, {77});
  write_file(folder / "c.bmp", bmp(1, 1, {1, 2, 3}));
  const auto colour = open_data(folder / "", {.channels = 3}).train,
             gray = open_data(folder / "", {.channels = 1}).train;
  CHECK(bytes(*colour, 0) == std::vector<int>{10, 200, 30});
  CHECK(bytes(*colour, 1) == std::vector<int>{77, 77, 77});
  CHECK(bytes(*colour, 2) == std::vector<int>{1, 2, 3});
  const double luminance = 0.299 * 10 + 0.587 * 200 + 0.114 * 30;
  CHECK(bytes(*gray, 0)[0] == Approx(luminance).margin(1.0));
  CHECK(bytes(*gray, 1) == std::vector<int>{77});
  for (const int channels : {2, 4, -1}) {
    CHECK_THROWS_WITH(open_data(folder / "", {.channels = channels}), Catch::Contains(std::to_string(channels)));
  }
}

TEST_CASE("picture folders: the middle is cut out of what is wider or higher") {
  const Temporary folder;
  png(folder / "wide.png", 4, 2, 1, {1, 2, 3, 4, 5, 6, 7, 8});
  png(folder / "high.png", 2, 4, 1, {1, 2, 3, 4, 5, 6, 7, 8});
  const auto data = open_data(folder / "", {.height = 2, .width = 2, .channels = 1}).train;
  CHECK(bytes(*data, 0) == std::vector<int>{3, 4, 5, 6});
  CHECK(bytes(*data, 1) == std::vector<int>{2, 3, 6, 7});
}

TEST_CASE("picture folders: resized bilinearly, downwards with the filter as wide as the reduction") {
  const Temporary folder;
  // Rows are equal, so only columns mix. 4 to 2: weights 3/4, 3/4, 1/4 of seven quarters; 2 to 4: 3/4 and 1/4.
  png(folder / "a.png", 4, 4, 1, {0, 70, 140, 210, 0, 70, 140, 210, 0, 70, 140, 210, 0, 70, 140, 210});
  const auto smaller = open_data(folder / "", {.height = 2, .width = 2, .channels = 1}).train;
  CHECK(bytes(*smaller, 0) == std::vector<int>{50, 160, 50, 160});
  png(folder / "a.png", 2, 2, 1, {0, 200, 0, 200});
  const auto larger = open_data(folder / "", {.height = 4, .width = 4, .channels = 1}).train;
  CHECK(bytes(*larger, 0) == std::vector<int>{0, 50, 150, 200, 0, 50, 150, 200, 0, 50, 150, 200, 0, 50, 150, 200});
}

TEST_CASE("picture folders: without a size all take the first picture's") {
  const Temporary folder;
  png(folder / "a.png", 3, 2, 1, {1, 2, 3, 4, 5, 6});
  png(folder / "b.png", 6, 4, 1, std::vector<std::uint8_t>(24, 9));
  const auto data = open_data(folder / "", {.channels = 1}).train;
  CHECK(data->sample_shape() == Shape{2, 3, 1});
  CHECK(bytes(*data, 1) == std::vector<int>(6, 9));
}

TEST_CASE("picture folders: a broken picture is named, hostile sizes are refused") {
  const Temporary folder;
  png(folder / "a.png", 3, 2, 1, {1, 2, 3, 4, 5, 6});
  const std::string whole = read_file(folder / "a.png", 1000), path = folder / "b.png";
  for (const std::string& bad :
       {std::string(), std::string("no picture"), whole.substr(0, 40), whole.substr(0, whole.size() - 5),
        bmp(3, 2, std::vector<std::uint8_t>(18)).substr(0, 60)}) {
    write_file(path, bad);
    CHECK_THROWS_WITH(open_data(folder / ""), Catch::Contains(path));
  }
  remove_path(path);
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  CHECK_THROWS_WITH(open_data(folder / ""), Catch::Contains(path));
  remove_path(path);
  constexpr std::int64_t huge = std::int64_t{1} << 40;
  for (const auto& [height, width] :
       {std::pair<std::int64_t, std::int64_t>{-1, 8}, {8, -1}, {huge, 1}, {1, huge}, {huge, huge}}) {
    CHECK_THROWS_WITH(open_data(folder / "", {.height = height, .width = width}), Catch::Contains("height"));
  }
}
