// Data sets from files that the tests write: IDX, CIFAR-10, CSV.
#include <stdexcept>

#include "base/files.hpp"
#include "eddy/eddy.hpp"
#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace eddy;
using eddy::test::Temporary;

namespace {

std::string number(std::uint32_t value, bool big) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes += static_cast<char>(value >> (big ? 24 - 8 * i : 8 * i) & 255);
  return bytes;
}

std::string idx(const std::vector<std::uint32_t>& extents, const std::string& bytes) {
  std::string file("\0\0\x08", 3);
  file += static_cast<char>(extents.size());
  for (const std::uint32_t extent : extents) file += number(extent, true);
  return file + bytes;
}

std::string gzipped(const std::string& content) {  // one stored block
  std::uint32_t crc = ~0u;
  for (const char byte : content) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  const std::uint32_t length = static_cast<std::uint32_t>(content.size());
  const std::string sizes = number(length | ~length << 16, false);
  return std::string("\x1f\x8b\x08\x08\0\0\0\0\0\3name\0\1", 16) + sizes + content + number(~crc, false) +
         number(length, false);
}

std::vector<float> sample(const Dataset& data, std::int64_t i, std::int64_t label) {
  std::vector<float> values(static_cast<std::size_t>(data.sample_shape().elements()));
  CHECK(data.fetch(i, values) == label);
  return values;
}

float level(int byte) { return static_cast<float>(byte) / 127.5f - 1.0f; }

}  // namespace

TEST_CASE("idx folders: pictures and labels, plain or gzipped, both parts") {
  const Temporary folder;
  const std::string bytes("\x00\x33\x66\x99\xcc\xff\x01\x02\x03\x04\x05\x06", 12);
  write_file(folder / "train-images-idx3-ubyte", idx({2, 2, 3}, bytes));
  write_file(folder / "train-labels-idx1-ubyte.gz", gzipped(idx({2}, "\x07\x02")));
  Data data = open_data(folder / "");
  CHECK(data.test == nullptr);
  CHECK(data.train->size() == 2);
  CHECK(data.train->sample_shape() == Shape{2, 3, 1});
  CHECK(data.train->class_names()[7] == "7");
  CHECK(sample(*data.train, 0, 7) ==
        std::vector<float>{level(0), level(51), level(102), level(153), level(204), level(255)});
  CHECK(sample(*data.train, 1, 2)[5] == level(6));

  write_file(folder / "t10k-images-idx3-ubyte.gz", gzipped(idx({1, 2, 3}, bytes.substr(6))));
  data = open_data(folder / "");
  REQUIRE(data.test != nullptr);
  CHECK(data.test->classes() == 0);
  CHECK(sample(*data.test, 0, -1)[5] == level(6));

  rename_path(folder / "train-images-idx3-ubyte", folder / "plain");
  write_file(folder / "train-images-idx3-ubyte.gz", gzipped(idx({2, 2, 3}, bytes)));
  CHECK(open_data(folder / "").train->fingerprint() == data.train->fingerprint());
}

TEST_CASE("idx folders: names of Fashion-MNIST where its labels say so, whatever the path") {
  const Temporary folder;
  const std::string start("\x09\0\0\x03\0\x02\x07\x02\x05\x05\0\x09\x05\x05\x07\x09\x01\0\x06\x04", 20);
  for (const char* name : {"fashion-digits", "clothes"}) {
    const std::string path = folder / name;
    const bool clothes = path.ends_with("clothes");
    make_directories(path);
    write_file(path + "/train-images-idx3-ubyte", idx({20, 1, 1}, std::string(20, 'x')));
    write_file(path + "/train-labels-idx1-ubyte", idx({20}, clothes ? start : std::string(20, '\x09')));
    CHECK(open_data(path).train->class_names()[9] == (clothes ? "Ankle boot" : "9"));
  }
}

TEST_CASE("idx folders and tables: a size that is not theirs and folders of classes are refused") {
  const Temporary folder;
  write_file(folder / "train-images-idx3-ubyte", idx({1, 2, 3}, "xxxxxx"));
  CHECK(open_data(folder / "", {.height = 2, .width = 3, .channels = 1}).train->size() == 1);
  CHECK_THROWS_WITH(open_data(folder / "", {.height = 64, .width = 64}),
                    Catch::Contains("(2, 3, 1)") && Catch::Contains("--size"));
  CHECK_THROWS_WITH(open_data(folder / "", {.channels = 3}), Catch::Contains("--channels"));
  CHECK_THROWS_WITH(open_data(folder / "", {.class_folders = true}), Catch::Contains("--class-folders"));
  write_file(folder / "a.csv", "1,2\n3,4\n");
  CHECK_THROWS_WITH(open_data(folder / "a.csv", {.height = 2}), Catch::Contains("(2)"));
}

TEST_CASE("idx folders: broken files are named") {
  const Temporary folder;
  const std::string pictures = folder / "train-images-idx3-ubyte", labels = folder / "train-labels-idx1-ubyte";
  write_file(pictures, idx({2, 2, 3}, std::string(12, 'x')));
  for (const std::string& bad :
       {idx({2}, "\x01"), idx({3}, "\x01\x02\x03"), idx({2}, "\x01\x0a"), std::string(), idx({1}, "\x01")}) {
    write_file(labels, bad);
    CHECK_THROWS_WITH(open_data(folder / ""), Catch::Contains(labels));
  }
  write_file(labels, idx({2}, "\x01\x02"));
  CHECK(open_data(folder / "").train->size() == 2);
  const std::string whole = gzipped(idx({2, 2, 3}, std::string(12, 'x')));
  for (const std::string& bad : {idx({2, 2, 3}, std::string(11, 'x')), idx({12}, std::string(12, 'x')),
                                 whole.substr(0, 30), whole.substr(0, whole.size() - 1), std::string("P5")}) {
    write_file(pictures, bad);
    CHECK_THROWS_WITH(open_data(folder / ""), Catch::Contains(pictures));
  }
}

namespace {

std::string record(int label, int salt) {
  std::string bytes(1, static_cast<char>(label));
  for (int i = 0; i < 3072; ++i) bytes += static_cast<char>((i * 7 + i / 256 + salt) & 255);
  return bytes;
}

}  // namespace

TEST_CASE("cifar-10: batches in order, planes become channels, labels and names") {
  const Temporary folder;
  write_file(folder / "data_batch_2.bin", record(9, 50) + record(0, 60));
  write_file(folder / "data_batch_1.bin", record(3, 10) + record(1, 20) + record(4, 30));
  write_file(folder / "test_batch.bin", record(7, 70));
  write_file(folder / "readme.html", "x");
  const Data data = open_data(folder / "");
  CHECK(data.train->size() == 5);
  CHECK(data.train->sample_shape() == Shape{32, 32, 3});
  CHECK(data.train->class_names()[3] == "cat");
  CHECK(data.train->classes() == 10);
  const std::vector<std::pair<int, int>> expected{{3, 10}, {1, 20}, {4, 30}, {9, 50}, {0, 60}};
  for (std::size_t i = 0; i < 5; ++i) {
    const auto pixels = sample(*data.train, static_cast<std::int64_t>(i), expected[i].first);
    const std::string bytes = record(expected[i].first, expected[i].second);
    for (const auto& [y, x, c] :
         {std::array{0, 0, 0}, std::array{0, 31, 2}, std::array{31, 5, 1}, std::array{17, 3, 0}}) {
      const auto byte = static_cast<unsigned char>(bytes[static_cast<std::size_t>(1 + c * 1024 + y * 32 + x)]);
      CHECK(pixels[static_cast<std::size_t>((y * 32 + x) * 3 + c)] == level(byte));
    }
  }
  REQUIRE(data.test != nullptr);
  sample(*data.test, 0, 7);
}

TEST_CASE("cifar-10: a truncated file and a label above 9 are Errors that name the file") {
  const Temporary folder;
  write_file(folder / "data_batch_1.bin", record(3, 10));
  for (const std::string& bad :
       {record(1, 2).substr(0, 3072), record(1, 2) + "x", std::string(), record(10, 2), record(255, 2)}) {
    write_file(folder / "data_batch_2.bin", bad);
    CHECK_THROWS_WITH(open_data(folder / ""), Catch::Contains(folder / "data_batch_2.bin"));
  }
  write_file(folder / "data_batch_2.bin", record(1, 2));
  CHECK(open_data(folder / "").train->size() == 2);
  CHECK(open_data(folder / "").test == nullptr);
}

TEST_CASE("csv: rows of numbers in any usual dress") {
  const Temporary folder;
  const std::string path = folder / "a.CSV";
  const std::vector<float> expected{1, 2.5f, -300, 0.004f};
  for (const char* content : {"1,2.5\n-3e2,4e-3", "a,b\r\n1,2.5\r\n\r\n-3e2,4e-3\r\n", " 1 , +2.5\n\n  \n-300,.004\n",
                              "\xef\xbb\xbf"
                              "1,2.5\n-300,0.004\n",
                              "\xef\xbb\xbfx,y\n1,2.5\n-300,0.004\n"}) {
    write_file(path, content);
    INFO(content);
    const auto data = open_data(path).train;
    CHECK(data->size() == 2);
    CHECK(data->sample_shape() == Shape{2});
    auto values = sample(*data, 0, -1);
    for (const float v : sample(*data, 1, -1)) values.push_back(v);
    CHECK(values == expected);
  }
}

TEST_CASE("csv: hostile lines are Errors that name the file and the line") {
  const Temporary folder;
  const std::string path = folder / "a.csv";
  const std::vector<std::string> bad{"3",
                                     "3,4,5",
                                     "3,",
                                     ",",
                                     "3,x",
                                     "3,nan",
                                     "3,inf",
                                     "3,1e999",
                                     "3,0x10",
                                     "3,4 5",
                                     "\"3\",4",
                                     "3;4",
                                     "3,1,5",
                                     "3,--4",
                                     "3,1e",
                                     "3,\t4x",
                                     std::string("3,4\0", 4),
                                     std::string("\0,\0", 3),
                                     std::string(100000, ','),
                                     "\xff,1"};
  for (const std::string& line : bad) {
    write_file(path, "1,2\n" + line + "\n5,6\n");
    INFO(line.substr(0, 20));
    CHECK_THROWS_WITH(open_data(path), Catch::Contains(path) && Catch::Contains("line 2"));
  }
  for (const char* nothing : {"", "\n\n", "x,y\n", ","}) {
    write_file(path, nothing);
    CHECK_THROWS_WITH(open_data(path), Catch::Contains(path));
  }
}

TEST_CASE("data: what is neither a known name, a folder nor a .csv file is refused") {
  const Temporary folder;
  CHECK_THROWS_WITH(open_data("mnist-of-nowhere"),
                    Catch::Contains("mnist-of-nowhere") && Catch::Contains("fashion-mnist"));
  CHECK_THROWS_WITH(open_data("/dev/null"), Catch::Contains("/dev/null"));
  write_file(folder / "a.bin", "x");
  CHECK_THROWS_WITH(open_data(folder / "a.bin"), Catch::Contains(".csv"));
}
