#include "io/arrays.hpp"

#include "base/files.hpp"
#include "eddy/error.hpp"
#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace eddy;
using eddy::test::Temporary;

namespace {

std::string idx(std::uint32_t n, std::uint32_t h, std::uint32_t w, std::size_t bytes) {
  std::string file("\0\0\x08\x03", 4);
  for (const std::uint32_t extent : {n, h, w}) {
    for (int shift = 24; shift >= 0; shift -= 8) file += static_cast<char>(extent >> shift & 255);
  }
  return file + std::string(bytes, '\x7f');
}

}  // namespace

TEST_CASE("idx: extents and length must agree") {
  const Temporary folder;
  const std::string path = folder / "a";
  write_file(path, idx(3, 2, 4, 24));
  CHECK(read_idx(path).shape == std::vector<std::int64_t>{3, 2, 4});
  for (const std::string& bad : {idx(3, 2, 4, 23), idx(3, 2, 4, 25), idx(~0u, ~0u, ~0u, 24), idx(3, 2, 4, 24).substr(0, 9), std::string("x")}) {
    write_file(path, bad);
    CHECK_THROWS_WITH(read_idx(path), Catch::Contains(path));
  }
}

TEST_CASE("idx: a gzip file that lies about its length is refused") {
  const Temporary folder;
  const std::string path = folder / "a";
  std::string file("\x1f\x8b\x08\0\0\0\0\0\0\3", 10);
  write_file(path, file + std::string(8, '\0') + std::string("\xff\xff\xff\x7f", 4));
  CHECK_THROWS_AS(read_idx(path), Error);
  write_file(path, file + "rubbish that is no deflate" + std::string(8, '\1'));
  CHECK_THROWS_AS(read_idx(path), Error);
}

TEST_CASE("csv: numbers, a heading, and what is refused") {
  const Temporary folder;
  const std::string path = folder / "a.csv";
  write_file(path, "x,y\n1,2.5\n-3e2,4\n");
  const Tensor t = read_csv(path);
  CHECK(to_string(t.shape()) == "(2, 2)");
  CHECK(t.values()[2] == -300);
  for (const char* bad : {"1,2\n3\n", "1,2\nx,4\n", "", "1,nan\n"}) {
    write_file(path, bad);
    INFO(bad);
    CHECK_THROWS_AS(read_csv(path), Error);
  }
}

TEST_CASE("npy: header and bytes as NumPy has them") {
  const Temporary folder;
  write_npy(folder / "a.npy", Tensor::from({1.f, 2.f, 3.f}, {3, 1}));
  const std::string file = read_file(folder / "a.npy", 1000);
  CHECK(file.starts_with(std::string("\x93NUMPY\x01\x00", 8)));
  CHECK(file.find("'descr': '<f4', 'fortran_order': False, 'shape': (3, 1)") != std::string::npos);
  CHECK(file.size() % 64 == 12);
}
