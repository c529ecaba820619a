#include "io/safetensors.hpp"

#include "eddy/error.hpp"
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
