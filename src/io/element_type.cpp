// Element types: names, sizes, conversion of the floating ones.
#include "io/element_type.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "base/half.hpp"
#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

namespace {

struct Type {
  const char* name;
  unsigned bits;
};
// In the order of the Python package's enumeration.
constexpr Type kTypes[] = {{"BOOL", 8},    {"F4", 4},          {"F6_E2M3", 6},     {"F6_E3M2", 6}, {"U8", 8},
                           {"I8", 8},      {"F8_E5M2", 8},     {"F8_E4M3", 8},     {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
                           {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},        {"F16", 16},    {"BF16", 16},
                           {"I32", 32},    {"U32", 32},        {"F32", 32},        {"C64", 64},    {"F64", 64},
                           {"I64", 64},    {"U64", 64}};

const Type* find(const std::string& name) { return std::ranges::find(kTypes, name, &Type::name); }

template <class T>
T at(const void* in, std::size_t i) {
  T value;
  std::memcpy(&value, static_cast<const char*>(in) + i * sizeof(T), sizeof(T));
  return value;
}

template <class T>
void put(void* out, std::size_t i, T value) {
  std::memcpy(static_cast<char*>(out) + i * sizeof(T), &value, sizeof(T));
}

template <class T>
struct Element {};

float read(Element<float>, const void* in, std::size_t i) { return at<float>(in, i); }
float read(Element<double>, const void* in, std::size_t i) { return static_cast<float>(at<double>(in, i)); }
struct Half {};
struct Bfloat {};
float read(Element<Half>, const void* in, std::size_t i) { return float_from_half(at<std::uint16_t>(in, i)); }
float read(Element<Bfloat>, const void* in, std::size_t i) { return float_from_bfloat(at<std::uint16_t>(in, i)); }
void write(Element<float>, void* out, std::size_t i, float value) { put(out, i, value); }
void write(Element<double>, void* out, std::size_t i, float value) { put(out, i, static_cast<double>(value)); }
void write(Element<Half>, void* out, std::size_t i, float value) { put(out, i, half_from_float(value)); }
void write(Element<Bfloat>, void* out, std::size_t i, float value) { put(out, i, bfloat_from_float(value)); }

// Calls f with the tag of a floating type.
template <class F>
void with_type(const std::string& type, F f) {
  if (type == "F32") f(Element<float>{});
  if (type == "F64") f(Element<double>{});
  if (type == "F16") f(Element<Half>{});
  if (type == "BF16") f(Element<Bfloat>{});
}

}  // namespace

unsigned bits_of(const std::string& type) {
  const Type* found = find(type);
  return found == std::end(kTypes) ? 0 : found->bits;
}

std::size_t place_of(const std::string& type) { return static_cast<std::size_t>(find(type) - kTypes); }

bool is_floating(const std::string& type) { return type == "F32" || type == "F16" || type == "BF16" || type == "F64"; }

std::string file_type(DType dtype) {
  switch (dtype) {
    case DType::f32: return "F32";
    case DType::f16: return "F16";
    case DType::bf16: return "BF16";
    case DType::i64: return "I64";
  }
  throw Error("no file can hold this element type");
}

void convert_elements(const std::string& from, const void* in, std::size_t n, const std::string& to, void* out) {
  if (!is_floating(from) || !is_floating(to)) throw Error("cannot convert elements of " + from + " to " + to);
  if (from == to) {
    if (n > 0) std::memcpy(out, in, n * bits_of(from) / 8);
    return;
  }
  with_type(from, [&](auto source) {
    with_type(to, [&](auto target) {
      for (std::size_t i = 0; i < n; ++i) write(target, out, i, read(source, in, i));
    });
  });
}

}  // namespace eddy::inline v0_1
