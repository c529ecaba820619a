// x factor + offset, linear combinations with one pair of coefficients or one a sample, and limits.
#include "ops/support.hpp"
#include "tensor/elementwise.hpp"

namespace eddy::inline v0_1 {

namespace {

struct Line {
  float factor, offset;
};

constexpr Operation kAffine{
    "affine",
    [](Call& call) { return scaled(call.input(0), call.attributes<Line>().factor, call.attributes<Line>().offset); },
    [](Call& call, const Tensor& g, std::span<Tensor> result) {
      result[0] = scaled(g, call.attributes<Line>().factor, 0);
    },
    [](Call& call, std::span<const Tensor> t) { return scaled(t[0], call.attributes<Line>().factor, 0); }};

struct Pair {
  std::vector<float> a, b;
};

constexpr Operation kCombine{
    "combine",
    [](Call& call) {
      const Pair& p = call.attributes<Pair>();
      return combined(p.a, call.input(0), p.b, call.input(1));
    },
    [](Call& call, const Tensor& g, std::span<Tensor> result) {
      const Pair& p = call.attributes<Pair>();
      if (call.wants(0)) result[0] = combined(p.a, g, {}, {});
      if (call.wants(1)) result[1] = combined(p.b, g, {}, {});
    }};

Tensor run_combine(Pair pair, const Tensor& x, const Tensor& y) {
  require_f32(x, "combine", "x");
  require_shape_if(y, x.shape(), "combine", "y");
  return apply(kCombine, {x, y}, attributes(std::move(pair)));
}

struct Limits {
  float low, high;
};

constexpr Operation kClamp{
    "clamp",
    [](Call& call) {
      call.keep_input(0);
      return limited(call.input(0), call.attributes<Limits>().low, call.attributes<Limits>().high);
    },
    [](Call& call, const Tensor& g, std::span<Tensor> result) {
      result[0] = limited_gradient(call.input(0), g, call.attributes<Limits>().low, call.attributes<Limits>().high);
    }};

}  // namespace

Tensor affine(const Tensor& x, double factor, double offset) {
  require_f32(x, "affine", "x");
  return apply(kAffine, {x}, attributes(Line{static_cast<float>(factor), static_cast<float>(offset)}));
}

Tensor combine(double a, const Tensor& x, double b, const Tensor& y) {
  return run_combine({{static_cast<float>(a)}, {static_cast<float>(b)}}, x, y);
}

Tensor combine(std::span<const double> a, const Tensor& x, std::span<const double> b, const Tensor& y) {
  const auto n = static_cast<std::size_t>(x.defined() && x.rank() > 0 ? x.extent(0) : 0);
  require(a.size() == n && (b.size() == n || !y.defined()), "combine", [&] {
    return "needs one coefficient a sample of " + shape_of(x) + ", got " + std::to_string(a.size()) + " and " +
           std::to_string(b.size());
  });
  return run_combine({{a.begin(), a.end()}, {b.begin(), b.end()}}, x, y);
}

Tensor clamp(const Tensor& x, double low, double high) {
  require_f32(x, "clamp", "x");
  require(low <= high, "clamp", [&] { return "low must not be above high"; });
  return apply(kClamp, {x}, attributes(Limits{static_cast<float>(low), static_cast<float>(high)}));
}

}  // namespace eddy::inline v0_1
