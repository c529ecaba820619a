#include "io/image.hpp"

#include "base/files.hpp"
#include "eddy/error.hpp"
#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace eddy;
using eddy::test::Temporary;

TEST_CASE("png: written and read again, with its text; broken ones are refused") {
  const Temporary folder;
  const std::string path = folder / "a.png";
  Picture picture{3, 2, 3, {}};
  for (int i = 0; i < 18; ++i) picture.pixels.push_back(static_cast<std::uint8_t>(i * 14));
  write_png(path, picture, {{"seed", "7"}});
  const Picture again = read_picture(path, 3);
  CHECK(again.pixels == picture.pixels);
  const std::string file = read_file(path, 10000);
  CHECK(file.find(std::string("tEXtseed\0" "7", 10)) != std::string::npos);
  CHECK(read_picture(path, 1).pixels.size() == 6);
  for (const std::size_t length : {std::size_t{0}, std::size_t{10}, file.size() / 2}) {
    write_file(path, file.substr(0, length));
    CHECK_THROWS_WITH(read_picture(path, 3), Catch::Contains(path));
  }
  std::string huge = file;  // claims 2^24 x 2^24 pixels
  huge[17] = huge[21] = 1;
  huge[16] = huge[20] = 0;
  write_file(path, huge);
  CHECK_THROWS_AS(read_picture(path, 3), Error);
}

TEST_CASE("resizing: the middle is cut out, a flat picture stays flat, down as Pillow does") {
  Picture wide{8, 2, 1, std::vector<std::uint8_t>(16, 50)};
  CHECK(resized_and_cropped(wide, 4, 4).pixels == std::vector<std::uint8_t>(16, 50));
  Picture steps{4, 4, 1, {}};
  for (int i = 0; i < 16; ++i) steps.pixels.push_back(static_cast<std::uint8_t>(i % 2 == 0 ? 0 : 200));
  CHECK(resized_and_cropped(steps, 2, 2).pixels == std::vector<std::uint8_t>{86, 114, 86, 114});  // Pillow's BILINEAR
}

TEST_CASE("resizing: what is cut off takes no memory") {
  constexpr int high = 1 << 24;  // all its rows at the new width would be 64 GiB
  Picture narrow{1, high, 1, std::vector<std::uint8_t>(high, 10)};
  narrow.pixels[high / 2 - 1] = narrow.pixels[high / 2] = 200;
  const Picture cut = resized_and_cropped(narrow, 512, 512);
  CHECK(cut.pixels[256 * 512] == 200);
  CHECK(cut.pixels[256 * 512 + 511] == 200);
}

TEST_CASE("grid: two pixels apart, -1 black and 1 white") {
  const Picture grid = picture_grid(Tensor::from({-1.f, 1.f, 5.f}, {3, 1, 1, 1}), 3);
  CHECK(grid.width == 3 + 4 * 2);
  CHECK(grid.height == 1 + 2 * 2);
  const auto row = grid.pixels.begin() + 2 * grid.width;
  CHECK(row[2] == 0);
  CHECK(row[5] == 255);
  CHECK(row[8] == 255);
}
