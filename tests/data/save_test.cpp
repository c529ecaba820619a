#include <cmath>
#include <filesystem>
#include <limits>

#include "base/files.hpp"
#include "eddy/eddy.hpp"
#include "io/image.hpp"
#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace eddy;
using eddy::test::Temporary;

TEST_CASE("save_png: a single picture comes back as it was, to a level of 8 bits") {
  const Temporary folder;
  for (const std::int64_t channels : {1, 3}) {
    Tensor x = Tensor::uninitialised({1, 3, 5, channels});
    for (std::size_t i = 0; i < x.values().size(); ++i) x.mutable_values()[i] = static_cast<float>(i) / 30 - 0.7f;
    save_png(folder / "a.png", x);
    const Picture picture = read_picture(folder / "a.png", static_cast<int>(channels));
    CHECK(picture.height == 3);
    CHECK(picture.width == 5);
    for (std::size_t i = 0; i < x.values().size(); ++i) {
      const double level = (static_cast<double>(x.values()[i]) + 1) * 127.5;
      CHECK(std::abs(static_cast<double>(picture.pixels[i]) - level) < 0.501);
    }
  }
}

TEST_CASE("load_picture: a saved picture comes back, scaled where another size is asked for; what is none is refused") {
  const Temporary folder;
  Tensor x = Tensor::uninitialised({1, 4, 6, 3});
  for (std::size_t i = 0; i < x.values().size(); ++i) x.mutable_values()[i] = static_cast<float>(i) / 40 - 0.9f;
  save_png(folder / "a.png", x);
  const Tensor again = load_picture(folder / "a.png", 3, 4, 6);
  CHECK(again.shape() == x.shape());
  for (std::size_t i = 0; i < x.values().size(); ++i) CHECK(std::abs(again.values()[i] - x.values()[i]) < 0.501f / 127.5f);
  CHECK(load_picture(folder / "a.png", 1, 2, 3).shape() == Shape{1, 2, 3, 1});
  CHECK_THROWS_WITH(load_picture(folder / "a.png", 2, 4, 6), Catch::Contains("1 or 3"));
  CHECK_THROWS_WITH(load_picture(folder / "a.png", 3, 0, 6), Catch::Contains("height"));
  eddy::write_file(folder / "b.png", "x");
  CHECK_THROWS_WITH(load_picture(folder / "b.png", 3, 4, 6), Catch::Contains("b.png"));
}

TEST_CASE("save_png: values beyond [-1, 1] are limited, NaN is black") {
  const Temporary folder;
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const Tensor x =
      Tensor::from({-1.f, 1.f, -7.f, 7.f, -infinity, infinity, std::numeric_limits<float>::quiet_NaN()}, {1, 1, 7, 1});
  save_png(folder / "a.png", x);
  CHECK(read_picture(folder / "a.png", 1).pixels == std::vector<std::uint8_t>{0, 255, 0, 255, 0, 255, 0});
}

TEST_CASE("save_png: several pictures lie in rows, two pixels apart") {
  const Temporary folder;
  Tensor x = Tensor::full({5, 3, 4, 1}, -1);
  x.mutable_values()[4 * 12] = 0.2f;  // the first pixel of the last picture
  save_png(folder / "a.png", x, 2);
  const Picture grid = read_picture(folder / "a.png", 1);
  CHECK(grid.width == 2 + 2 * (4 + 2));
  CHECK(grid.height == 2 + 3 * (3 + 2));
  CHECK(grid.pixels[static_cast<std::size_t>(12 * grid.width + 2)] == 153);
  CHECK(grid.pixels[static_cast<std::size_t>(2 * grid.width + 2)] == 0);
  save_png(folder / "b.png", x);
  CHECK(read_picture(folder / "b.png", 1).width == 2 + 3 * (4 + 2));
}

TEST_CASE("save_png: what is no picture is refused, and leaves no file") {
  const Temporary folder;
  for (const Tensor& x : {Tensor::zeros({3, 4, 1}), Tensor::zeros({1, 3, 4, 2}), Tensor{}, Tensor::zeros({0, 3, 4, 1}),
                          Tensor::zeros({1, 0, 4, 1}), Tensor::from({std::int64_t{1}}, {1, 1, 1, 1})}) {
    CHECK_THROWS_AS(save_png(folder / "a.png", x), Error);
  }
  CHECK_THROWS_WITH(save_png(folder / "missing/a.png", Tensor::zeros({1, 2, 2, 1})), Catch::Contains("missing/a.png"));
  CHECK(list_directory(folder / "").empty());
}

TEST_CASE("save_npy: f32 only, complete or not at all") {
  const Temporary folder;
  save_npy(folder / "a.npy", Tensor::from({1.5f, -2.f}, {2}));
  const std::string file = read_file(folder / "a.npy", 1000);
  CHECK(file.find("'shape': (2, )") != std::string::npos);
  CHECK(file.ends_with(std::string("\0\0\xc0\x3f\0\0\0\xc0", 8)));
  CHECK_THROWS_AS(save_npy(folder / "b.npy", Tensor::from({std::int64_t{1}}, {1})), Error);
  CHECK_THROWS_AS(save_npy(folder / "b.npy", Tensor{}), Error);
  CHECK(list_directory(folder / "") == std::vector<std::string>{"a.npy"});
}
