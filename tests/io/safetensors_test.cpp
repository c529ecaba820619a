#include "io/safetensors.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "eddy/error.hpp"
#include "io/element_type.hpp"
#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace eddy;
using eddy::test::Temporary;

namespace {

std::string file_of(const std::string& header, const std::string& data) {
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(header.size() >> (8 * i) & 255);
  return bytes + header + data;
}

}  // namespace

TEST_CASE("safetensors: written and read again, with metadata, in three element types") {
  const Temporary folder;
  const std::vector<float> a{1, -2.5f, 3e-5f, 65504}, b{7};
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    write_safetensors(folder / "x.safetensors", {{"a", {2, 2}, a}, {"b", {}, b}}, dtype, {{"made", "here"}});
    const SafetensorsFile file(folder / "x.safetensors");
    CHECK(file.metadata().at("made") == "here");
    REQUIRE(file.find("a") != nullptr);
    CHECK(file.find("a")->shape == std::vector<std::int64_t>{2, 2});
    std::vector<float> read(4);
    file.read(*file.find("a"), read);
    const double precision = dtype == DType::f32 ? 0 : dtype == DType::f16 ? 1e-3 : 4e-3;
    for (std::size_t i = 0; i < 4; ++i) {
      CHECK(std::abs(static_cast<double>(read[i] - a[i])) <= precision * std::abs(static_cast<double>(a[i])) + (precision > 0 ? 3e-8 : 0));
    }
  }
}

TEST_CASE("safetensors: hostile files are refused") {
  const Temporary folder;
  const std::string path = folder / "x.safetensors", eight(8, '\0');
  const auto refused = [&](const std::string& bytes) {
    write_file(path, bytes);
    INFO(bytes.substr(0, 120));
    CHECK_THROWS_AS(SafetensorsFile(path), Error);
  };
  const std::string good = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  write_file(path, file_of(good, eight));
  CHECK_NOTHROW(SafetensorsFile(path));
  refused("");
  refused("1234567");
  refused(std::string(8, '\xff'));                                                              // header of 2^64 - 1 bytes
  refused(file_of(good, eight).substr(0, 40));                                                  // cut short
  refused(file_of(good, eight + "x"));                                                          // bytes that nobody owns
  refused(file_of(good, ""));                                                                   // no data
  refused(file_of("[]", ""));
  refused(file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", eight));         // too few bytes
  refused(file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", eight));
  refused(file_of(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", eight));
  refused(file_of(R"({"a":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}})", eight));
  refused(file_of(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}})", eight));  // overflow
  refused(file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", eight));
  refused(file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", eight + eight.substr(4)));
  refused(file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}})", eight + eight));
}

TEST_CASE("safetensors: the bytes are those of the Python package") {
  const Temporary folder;
  const auto of = [](std::string name, std::string dtype, std::vector<std::int64_t> shape, std::string bytes) {
    return TensorToWrite{std::move(name), std::move(dtype), std::move(shape),
                         [bytes](const ByteSink& sink) { sink(bytes.data(), bytes.size()); }};
  };
  std::vector<TensorToWrite> tensors;
  tensors.push_back(of("b", "F32", {1}, "abcd"));
  tensors.push_back(of("a", "F32", {}, "efgh"));
  tensors.push_back(of("half", "F16", {2}, "ijkl"));
  tensors.push_back(of("whole", "I64", {1}, "12345678"));
  tensors.push_back(of("flag", "BOOL", {3}, std::string("\1\0\1", 3)));
  tensors.push_back(of("none", "F64", {0, 4}, ""));
  write_safetensors(folder / "x.safetensors", tensors);
  // Written by safetensors.torch.save_file of 0.8.0.
  std::string header = R"({"__metadata__":{"format":"pt"},"whole":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
                       R"("none":{"dtype":"F64","shape":[0,4],"data_offsets":[8,8]},)"
                       R"("a":{"dtype":"F32","shape":[],"data_offsets":[8,12]},)"
                       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},)"
                       R"("half":{"dtype":"F16","shape":[2],"data_offsets":[16,20]},)"
                       R"("flag":{"dtype":"BOOL","shape":[3],"data_offsets":[20,23]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  CHECK(read_file(folder / "x.safetensors", 10000) == file_of(header, "12345678efghabcdijkl" + std::string("\1\0\1", 3)));
  tensors[0] = of("b", "F32", {2}, "abcd");
  CHECK_THROWS_WITH(write_safetensors(folder / "y.safetensors", tensors), Catch::Contains("b: 4 bytes"));
  CHECK_FALSE(exists(folder / "y.safetensors"));
}

TEST_CASE("safetensors: any order of names and any alignment, floating types as f32, integers of every width") {
  const Temporary folder;
  const std::string header =
      R"({"d":{"dtype":"F64","shape":[1],"data_offsets":[1,9]},"byte":{"shape":[1],"data_offsets":[0,1],"dtype":"I8","more":1},)"
      R"("s":{"dtype":"I16","shape":[1],"data_offsets":[9,11]},"u":{"dtype":"U32","shape":[1],"data_offsets":[11,15]}})";
  const double d = -0.1;
  std::string bytes("\xff", 1);
  bytes.append(reinterpret_cast<const char*>(&d), 8);
  bytes += std::string("\xfe\xff\xff\xff\xff\xff", 6);
  write_file(folder / "x.safetensors", file_of(header, bytes));
  const SafetensorsFile file(folder / "x.safetensors");
  float value = 0;
  file.read(*file.find("d"), {&value, 1});
  CHECK(value == -0.1f);
  CHECK(file.read_integers(*file.find("byte")) == std::vector<std::int64_t>{-1});
  CHECK(file.read_integers(*file.find("s")) == std::vector<std::int64_t>{-2});
  CHECK(file.read_integers(*file.find("u")) == std::vector<std::int64_t>{4294967295});
  CHECK_THROWS_WITH(file.read_integers(*file.find("d")), Catch::Contains("'d' holds F64"));
  CHECK_THROWS_WITH(file.read(*file.find("s"), {&value, 1}), Catch::Contains("'s' holds I16"));
}

TEST_CASE("safetensors: every floating type becomes every other as PyTorch rounds") {
  const double in[] = {1.0, -2.5, 65504.0, 65519.9, 65520.0, 1e-8, 3.4028236e38, std::nan(""), 0.1};
  const float f32[] = {1.0f, -2.5f, 65504.0f, 65519.9f, 65520.0f, 1e-8f, INFINITY, NAN, 0.1f};
  const std::uint16_t f16[] = {0x3c00, 0xc100, 0x7bff, 0x7bff, 0x7c00, 0, 0x7c00, 0x7e00, 0x2e66};
  const std::uint16_t bf16[] = {0x3f80, 0xc020, 0x4780, 0x4780, 0x4780, 0x322c, 0x7f80, 0x7fc0, 0x3dcd};
  constexpr std::size_t n = std::size(in);
  std::uint16_t half[n], bfloat[n];
  for (const char* from : {"F64", "F32"}) {
    const void* source = from == std::string("F64") ? static_cast<const void*>(in) : f32;
    convert_elements(from, source, n, "F16", half);
    convert_elements(from, source, n, "BF16", bfloat);
    for (std::size_t i = 0; i < n; ++i) {
      INFO(i);
      CHECK(half[i] == f16[i]);
      CHECK(bfloat[i] == bf16[i]);
    }
  }
  double wide[n];
  convert_elements("F16", f16, n, "F64", wide);
  CHECK(wide[2] == 65504);
  CHECK(wide[8] == 0.0999755859375);
  convert_elements("BF16", bf16, n, "F16", half);
  CHECK(half[8] == 0x2e68);
  std::uint16_t same[n];
  convert_elements("F16", f16, n, "F16", same);
  CHECK(std::ranges::equal(same, f16));
  CHECK_THROWS_WITH(convert_elements("I64", in, 1, "F32", wide), Catch::Contains("I64"));
}
