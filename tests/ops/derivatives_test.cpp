// Every operation on every instruction set of this CPU against the naive reference: value, and gradients with respect to
// each input (all elements of small ones, a keyed choice of large ones). Those heavy with formulas in double too.
#include <algorithm>
#include <cstring>
#include <set>

#include "eddy/random.hpp"
#include "ops/op_table.hpp"
#include "support/catch.hpp"
#include "support/instruction_sets.hpp"

using namespace eddy;
using namespace eddy::test;

namespace {

constexpr std::uint64_t kSeed = 5;
constexpr std::size_t kElements = 40;  // of each input that are tried

// f32 with the 8 or 11 leading bits that bf16 and f16 hold; all values here are far from their limits.
float shortened(float value, DType dtype) {
  const float spread = std::ldexp(1.0f, dtype == DType::bf16 ? 16 : 13) + 1;
  const float high = value * spread;
  return high - (high - value);
}

std::uint16_t bits_of(float value, DType dtype) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, 4);
  if (dtype == DType::bf16) return static_cast<std::uint16_t>(bits >> 16);
  const std::uint32_t exponent = (bits >> 23 & 0xff) - 127 + 15;
  return static_cast<std::uint16_t>(bits >> 16 & 0x8000) | static_cast<std::uint16_t>(exponent << 10 | (bits >> 13 & 0x3ff));
}

// Numbers that f16 holds and so float32 multiplies with little error, or all the bits of a double.
enum class Precision { single, full };

Array values_of(const Input& input, std::uint32_t number, Precision precision) {
  if (input.absent) return {};
  const bool full = precision == Precision::full;
  const DType kept = input.dtype == DType::f32 ? DType::f16 : input.dtype;
  Array a(input.shape);
  for (std::int64_t i = 0; i < a.elements(); ++i) {
    const double u = keyed_uniform(kSeed, {kUser, number}, i);
    float normal[1];
    keyed_normals(kSeed, {kUser, number}, i, normal);
    switch (input.fill) {
      case Fill::normal:
        a[i] = Dual(full ? (static_cast<double>(normal[0]) + u / 64) * input.spread
                         : static_cast<double>(shortened(static_cast<float>(normal[0] * input.spread), kept)));
        break;
      case Fill::positive: a[i] = Dual(full ? 0.5 + 1.5 * u : static_cast<double>(static_cast<float>(0.5 + 1.5 * u))); break;
      case Fill::mask: a[i] = Dual(u < 0.7 ? 1 : 0); break;
      case Fill::index: a[i] = Dual(std::floor(5 * u)); break;
      case Fill::timestep: a[i] = Dual(full ? 1000 * u : std::floor(1000 * u)); break;
    }
  }
  return a;
}

Tensor tensor_of(const Array& a, const Input& input, const Context& context) {
  if (input.absent) return {};
  const Shape shape{std::span<const std::int64_t>(a.shape)};
  if (input.fill == Fill::index) {
    Tensor t = Tensor::uninitialised(shape, DType::i64, context);
    std::ranges::transform(a.at, t.mutable_integers().begin(), [](const Dual& d) { return static_cast<std::int64_t>(d.value); });
    return t;
  }
  Tensor t = Tensor::uninitialised(shape, input.dtype, context);
  for (std::size_t i = 0; i < a.at.size(); ++i) {
    const auto value = static_cast<float>(a.at[i].value);
    if (input.dtype == DType::f32) t.mutable_values()[i] = value;
    if (input.dtype != DType::f32) static_cast<std::uint16_t*>(t.mutable_raw())[i] = bits_of(value, input.dtype);
  }
  return t;
}

bool differentiable(const Input& i) {
  return !i.absent && i.dtype == DType::f32 && i.fill != Fill::mask && i.fill != Fill::index;
}

// Largest error in units of 2^-24 of the sizes of the terms.
struct Worst {
  double ratio = 0;
  void take(double got, double expected, double size) {
    const double error = std::abs(got - expected);
    const double r = error == 0 ? 0 : error / (std::ldexp(size, -24) + 1e-40);
    if (!(r <= ratio)) ratio = std::isnan(r) ? 1e300 : r;
  }
};

// One derivative by the reference: of the seed-weighted sum of outputs with respect to an element.
struct Partial {
  std::size_t input, element;
  double value = 0, size = 0;
};

std::vector<Partial> partials(const Row& row, std::vector<Array> in, const Array& seed) {
  std::vector<Partial> result;
  for (std::size_t k = 0; k < in.size(); ++k) {
    if (!differentiable(row.inputs[k])) continue;
    const std::size_t n = in[k].at.size(), stride = std::max<std::size_t>(1, n / kElements) | 1;
    for (std::size_t tried = 0; tried < std::min(n, kElements); ++tried) {
      Partial p{k, n <= kElements ? tried : (tried * stride + n - 1) % n};  // the last element is the first tried
      in[k].at[p.element].slope = 1;
      in[k].at[p.element].slope_size = 1;
      const Array y = row.reference(in);
      in[k].at[p.element].slope = in[k].at[p.element].slope_size = 0;
      for (std::int64_t i = 0; i < y.elements(); ++i) {
        p.value += seed[i].value * y[i].slope;
        p.size += std::abs(seed[i].value) * y[i].slope_size;
      }
      result.push_back(p);
    }
  }
  return result;
}

std::vector<Context> contexts() {
  std::vector<Context> result;
  for (const Isa isa : instruction_sets()) result.emplace_back(ContextOptions{.isa = isa, .threads = 2});
  return result;
}

// What the reference says of a row.
struct Expected {
  std::vector<Array> in;
  Array y, seed;
  std::vector<Partial> derivatives;

  explicit Expected(const Row& row, Precision precision = Precision::single) {
    for (std::size_t i = 0; i < row.inputs.size(); ++i) {
      in.push_back(values_of(row.inputs[i], static_cast<std::uint32_t>(i), precision));
    }
    y = row.reference(in);
    seed = values_of({y.shape}, 99, precision);
    derivatives = partials(row, in, seed);
  }
};

// Gradients with respect to the inputs of these numbers, in the order of all inputs.
std::vector<Tensor> gradients_of(const Row& row, std::vector<Tensor> in, const std::vector<std::size_t>& wanted,
                                 const Tensor& seed) {
  std::vector<Tensor> leaves, result(in.size());
  for (const std::size_t i : wanted) leaves.push_back(in[i] = in[i].variable());
  const std::vector<Tensor> found = gradients(row.run(in), leaves, seed);
  for (std::size_t k = 0; k < wanted.size(); ++k) result[wanted[k]] = found[k];
  return result;
}

void check(const Row& row, const Expected& expected, const Context& context) {
  std::vector<Tensor> in;
  std::vector<std::size_t> wanted;
  for (std::size_t i = 0; i < row.inputs.size(); ++i) {
    in.push_back(tensor_of(expected.in[i], row.inputs[i], context));
    if (differentiable(row.inputs[i])) wanted.push_back(i);
  }
  const Tensor y = row.run(in), seed = tensor_of(expected.seed, {expected.y.shape}, context);
  REQUIRE(y.shape() == seed.shape());
  Worst value, slope;
  for (std::int64_t i = 0; i < expected.y.elements(); ++i) {
    value.take(y.values()[static_cast<std::size_t>(i)], expected.y[i].value, expected.y[i].size);
  }
  CHECK(value.ratio <= row.error);
  if (wanted.empty()) return;
  const std::vector<Tensor> all = gradients_of(row, in, wanted, seed);
  for (const Partial& p : expected.derivatives) slope.take(all[p.input].values()[p.element], p.value, p.size);
  CHECK(slope.ratio <= row.error);
  for (const std::size_t i : wanted) {  // the same bytes when no other is asked for
    CHECK(std::ranges::equal(gradients_of(row, in, {i}, seed)[i].values(), all[i].values()));
  }
}

// Largest error relative to the expected number, or to a thousandth of the largest of its kind where it is less: what is 0
// by cancellation is so only to rounding.
double worst_error(const std::vector<double>& got, const std::vector<double>& expected) {
  double largest = 0, worst = 0;
  for (const double e : expected) largest = std::max(largest, std::abs(e));
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double difference = std::abs(got[i] - expected[i]);
    const double error = difference == 0 ? 0 : difference / std::max(std::abs(expected[i]), largest / 1000);
    if (!(error <= worst)) worst = std::isnan(error) ? 1e300 : error;
  }
  return worst;
}

const std::set<std::string> kForwardMode{"silu", "relu", "gelu", "gelu_tanh", "quick_gelu", "tanh",  "sigmoid",
                                         "mish", "exp",  "affine", "reshape",  "slice",      "dropout",
                                         "fir_downsample", "fir_downsample odd", "fir_downsample two", "fir_downsample reflect",
                                         "fir_upsample", "fir_upsample odd", "fir_upsample reflect", "fir_upsample reflect odd"};

// The derivative along keyed tangents of all inputs at once.
void check_forward(const Row& row, std::vector<Array> in, const Context& context) {
  std::vector<Tensor> inputs, tangents;
  for (std::size_t i = 0; i < in.size(); ++i) {
    inputs.push_back(tensor_of(in[i], row.inputs[i], context));
    tangents.emplace_back();
    if (!differentiable(row.inputs[i])) continue;
    std::vector<float> values(in[i].at.size());
    keyed_normals(kSeed, {kUser, 50}, static_cast<std::int64_t>(i), values);
    for (std::size_t k = 0; k < values.size(); ++k) {
      in[i].at[k].slope = values[k];
      in[i].at[k].slope_size = std::abs(in[i].at[k].slope);
    }
    tangents.back() = Tensor::from(std::span<const float>(values), inputs.back().shape(), context);
  }
  const auto function = [&](std::span<const Tensor> x) { return row.run({x.begin(), x.end()}); };
  if (!kForwardMode.contains(row.name)) {
    CHECK_THROWS_WITH(jvp(function, inputs, tangents), Catch::Contains("has no forward derivative"));
    return;
  }
  const Jvp found = jvp(function, inputs, tangents);
  const Array y = row.reference(in);
  REQUIRE(found.tangent.elements() == y.elements());
  Worst value, slope;
  for (std::size_t i = 0; i < y.at.size(); ++i) {
    value.take(found.value.values()[i], y.at[i].value, y.at[i].size);
    slope.take(found.tangent.values()[i], y.at[i].slope, y.at[i].slope_size);
  }
  CHECK(value.ratio <= row.error);
  CHECK(slope.ratio <= row.error);
}

}  // namespace

TEST_CASE("operations: forward derivatives are the naive reference's, or are refused", "[ops]") {
  std::size_t checked = 0;
  for (const Row& row : op_table()) {
    if (std::ranges::none_of(row.inputs, differentiable)) continue;
    INFO(row.name);
    const Expected expected(row);
    for (const Context& context : contexts()) check_forward(row, expected.in, context);
    checked += kForwardMode.contains(row.name) ? 1 : 0;
  }
  CHECK(checked == kForwardMode.size());
}

TEST_CASE("operations: value and gradients are those of the naive reference on every instruction set", "[ops]") {
  for (const Row& row : op_table()) {
    INFO(row.name);
    const Expected expected(row);
    for (const Context& context : contexts()) {
      INFO(name(context.isa()));
      check(row, expected, context);
    }
  }
}

TEST_CASE("operations: formulas in double are the naive reference's to 1e-10", "[ops]") {
  for (const Row& row : op_table()) {
    if (!row.in_double) continue;
    INFO(row.name);
    const Expected expected(row, Precision::full);
    const InDouble found = row.in_double(expected.in, expected.seed);
    std::vector<double> value;
    for (const Dual& d : expected.y.at) value.push_back(d.value);
    REQUIRE(found.value.size() == value.size());
    CHECK(worst_error(found.value, value) <= 1e-10);
    for (std::size_t k = 0; k < row.inputs.size(); ++k) {
      if (!differentiable(row.inputs[k])) continue;
      INFO("gradient of input " << k);
      std::vector<double> got, derivatives;
      for (const Partial& p : expected.derivatives) {
        if (p.input != k) continue;
        got.push_back(found.gradients[k][p.element]);
        derivatives.push_back(p.value);
      }
      CHECK(worst_error(got, derivatives) <= 1e-10);
    }
  }
}
