#include "ops/op_table.hpp"

#include "base/hash.hpp"
#include "eddy/random.hpp"
#include "reference/layers.hpp"

namespace eddy::test {

namespace {

using Tensors = const std::vector<Tensor>&;

// Lengths that fill vectors of 4, 8 and 16 and leave tails.
const std::vector<std::int64_t> kLine{3, 37};

void add_elementwise(std::vector<Row>& rows) {
  const std::pair<const char*, Activation> activations[] = {
      {"silu", Activation::silu},   {"relu", Activation::relu},       {"gelu", Activation::gelu}, {"gelu_tanh", Activation::gelu_tanh},
      {"quick_gelu", Activation::quick_gelu}, {"tanh", Activation::tanh}, {"sigmoid", Activation::sigmoid}, {"mish", Activation::mish}};
  for (const auto& [name, kind] : activations) {
    rows.push_back({name, {{kLine, Fill::normal, DType::f32, false, 3}},
                    [kind = kind](Tensors in) { return activate(in[0], kind); },
                    [kind = kind](Arrays in) { return map(in[0], [&](const Dual& x) { return activate(x, kind); }); }});
    rows.back().in_double = [kind = static_cast<ActivationKind>(kind)](Arrays in, const Array& seed) {
      return activate_in_double(in, kind, seed);
    };
  }
  rows.push_back({"exp", {{kLine}}, [](Tensors in) { return exp(in[0]); },
                  [](Arrays in) { return map(in[0], [](const Dual& x) { return exp(x); }); }});
  rows.back().in_double = [](Arrays in, const Array& seed) { return activate_in_double(in, ActivationKind::exp, seed); };
  rows.push_back({"square", {{kLine}}, [](Tensors in) { return square(in[0]); },
                  [](Arrays in) { return map(in[0], [](const Dual& x) { return x * x; }); }});
  rows.push_back({"affine", {{kLine}}, [](Tensors in) { return affine(in[0], 1.5, -0.25); },
                  [](Arrays in) { return map(in[0], [](const Dual& x) { return x * Dual(1.5) + Dual(-0.25); }); }});
  rows.push_back({"clamp", {{kLine}}, [](Tensors in) { return clamp(in[0], -0.5, 0.75); }, [](Arrays in) {
                    return map(in[0], [](const Dual& x) { return x.value < -0.5 ? Dual(-0.5) : x.value > 0.75 ? Dual(0.75) : x; });
                  }});
  rows.push_back({"combine", {{kLine}, {kLine}}, [](Tensors in) { return combine(0.5, in[0], -2, in[1]); }, [](Arrays in) {
                    return zip(in[0], in[1], [](const Dual& x, const Dual& y) { return Dual(0.5) * x + Dual(-2) * y; });
                  }});
  rows.push_back({"combine a sample", {{kLine}, {kLine}},
                  [](Tensors in) { return combine(std::vector{0.5, 1.0, 2.0}, in[0], std::vector{-1.0, 0.25, 0.0}, in[1]); },
                  [](Arrays in) {
                    Array y(kLine);
                    const double a[] = {0.5, 1, 2}, b[] = {-1, 0.25, 0};
                    for (std::int64_t i = 0; i < y.elements(); ++i) y[i] = Dual(a[i / 37]) * in[0][i] + Dual(b[i / 37]) * in[1][i];
                    return y;
                  }});
}

template <class Library, class Reference>
void add_arithmetic(std::vector<Row>& rows, const char* name, const Library& library, const Reference& reference) {
  const std::vector<std::int64_t> full{3, 5, 7};
  const std::vector<std::vector<std::int64_t>> forms{full, {1, 5, 7}, {3}, {3, 1, 1}, {}};
  for (const auto& form : forms) {
    rows.push_back({std::string(name) + to_string(Shape(std::span<const std::int64_t>(form))), {{full}, {form, Fill::positive}}, [library](Tensors in) { return library(in[0], in[1]); },
                    [reference](Arrays in) { return zip(in[0], in[1], reference); }});
  }
}

Array permuted(const Array& x, bool to_nchw) {
  const auto& s = x.shape;
  Array y(to_nchw ? std::vector{s[0], s[3], s[1], s[2]} : std::vector{s[0], s[2], s[3], s[1]});
  for (std::int64_t n = 0; n < s[0]; ++n)
    for (std::int64_t a = 0; a < s[1]; ++a)
      for (std::int64_t b = 0; b < s[2]; ++b)
        for (std::int64_t c = 0; c < s[3]; ++c) (to_nchw ? y(n, c, a, b) : y(n, b, c, a)) = x(n, a, b, c);
  return y;
}

void add_shapes_and_sums(std::vector<Row>& rows) {
  rows.push_back({"reshape", {{{2, 3, 4}}}, [](Tensors in) { return reshape(in[0], {4, 6}); }, [](Arrays in) {
                    Array y({4, 6});
                    y.at = in[0].at;
                    return y;
                  }});
  rows.push_back({"slice", {{{3, 9}}}, [](Tensors in) { return slice(in[0], 2, 5); }, [](Arrays in) {
                    Array y({3, 5});
                    for (std::int64_t i = 0; i < 15; ++i) y[i] = in[0](i / 5, 2 + i % 5);
                    return y;
                  }});
  rows.push_back({"concat", {{{2, 3, 5}}, {{2, 3, 4}}}, [](Tensors in) { return concat(in[0], in[1]); },
                  [](Arrays in) { return joined(in[0], in[1]); }});
  rows.push_back({"to_nchw", {{{2, 3, 4, 5}}}, [](Tensors in) { return to_nchw(in[0]); },
                  [](Arrays in) { return permuted(in[0], true); }});
  rows.push_back({"to_nhwc", {{{2, 3, 4, 5}}}, [](Tensors in) { return to_nhwc(in[0]); },
                  [](Arrays in) { return permuted(in[0], false); }});
  rows.push_back({"sum", {{kLine}}, [](Tensors in) { return sum(in[0]); }, [](Arrays in) { return sums(in[0], {}, 1); }});
  rows.push_back({"mean", {{kLine}}, [](Tensors in) { return mean(in[0]); },
                  [](Arrays in) { return sums(in[0], {}, 1.0 / 111); }});
  rows.push_back({"mean_per_sample", {{kLine}}, [](Tensors in) { return mean_per_sample(in[0]); },
                  [](Arrays in) { return sums(in[0], {3}, 1.0 / 37); }});
  const auto mse = [](Arrays in) {
    Array squares = zip(in[0], in[1], [](const Dual& a, const Dual& b) { return (a - b) * (a - b); });
    Array y = sums(squares, {3}, 1.0 / 37);
    return in.size() > 2 ? zip(y, in[2], [](const Dual& e, const Dual& w) { return e * w; }) : y;
  };
  rows.push_back({"mse_per_sample", {{kLine}, {kLine}}, [](Tensors in) { return mse_per_sample(in[0], in[1]); }, mse});
  rows.back().in_double = mse_in_double;
  rows.push_back({"mse_per_sample weighted", {{kLine}, {kLine}, {{3}, Fill::positive}},
                  [](Tensors in) { return mse_per_sample(in[0], in[1], in[2]); }, mse});
  rows.back().in_double = mse_in_double;
}

void add_linear(std::vector<Row>& rows) {
  const auto add = [&](const std::string& name, Input x, Input w, Input bias, Input residual) {
    rows.push_back({name, {std::move(x), std::move(w), std::move(bias), std::move(residual)},
                    [](Tensors in) { return linear(in[0], in[1], in[2], in[3]); },
                    [](Arrays in) { return linear(in[0], in[1], in[2], in[3]); }});
  };
  add("linear 5 x 7 -> 3", {{5, 7}}, {{3, 7}}, {{3}}, absent());
  add("linear 2 x 9 x 33 -> 17", {{2, 9, 33}}, {{17, 33}}, absent(), {{2, 9, 17}});
  add("linear 70 x 64 -> 96", {{70, 64}}, {{96, 64}}, {{96}}, {{70, 96}});
  add("linear 1600 x 33 -> 17", {{1600, 33}}, {{17, 33}}, {{17}}, absent());  // gradients in parts of the rows
  add("linear 0 x 70 -> 50", {{0, 70}}, {{50, 70}}, {{50}}, absent());
  add("linear 1 x 300 -> 1", {{1, 300}}, {{1, 300}}, absent(), absent());
  add("linear f16", {{5, 20}}, {{19, 20}, Fill::normal, DType::f16}, {{19}}, absent());
  add("linear bf16", {{5, 20}}, {{19, 20}, Fill::normal, DType::bf16}, {{19}}, absent());
}

constexpr double kDirect = 6, kWinograd = 40;  // measured: 5 and 23

void add_conv2d(std::vector<Row>& rows) {
  struct Case {
    const char* name;
    std::vector<std::int64_t> x, w;
    Conv2dOptions options;
    bool bias = true, sample_bias = false, residual = false;
    double error = kDirect;
    DType dtype = DType::f32;
  };
  const Conv2dOptions same{1, 1, 1, 1, 1};
  const Case cases[] = {
      {"3x3, 1 channel", {2, 7, 5, 1}, {9, 1, 3, 3}, same},
      {"3x3, 3 channels", {1, 6, 6, 3}, {17, 3, 3, 3}, same, true, true, true},
      {"3x3 to 1", {2, 9, 10, 12}, {1, 12, 3, 3}, same, true, false, false, kWinograd},
      {"3x3, all tails", {2, 7, 9, 19}, {21, 19, 3, 3}, same, true, true, true, kWinograd},
      {"3x3, 4x4 tiles", {1, 8, 8, 16}, {32, 16, 3, 3}, same, false, false, false, kWinograd},
      {"3x3, many tiles", {3, 28, 28, 8}, {8, 8, 3, 3}, same, true, false, true, kWinograd},
      {"3x3, wide", {1, 5, 6, 70}, {50, 70, 3, 3}, same, true, true, true, kWinograd},
      {"3x3, many channels of many tiles", {2, 14, 13, 50}, {70, 50, 3, 3}, {1, 0, 2, 2, 0}, true, true, true, kWinograd},
      {"3x3, small picture", {3, 2, 2, 20}, {18, 20, 3, 3}, same},
      {"3x3, no padding", {2, 8, 7, 6}, {5, 6, 3, 3}, {}, true, false, false, kWinograd},
      {"3x3, uneven padding", {2, 6, 7, 6}, {5, 6, 3, 3}, {1, 0, 2, 2, 0}, true, false, false, kWinograd},
      {"3x3, stride 2", {2, 8, 9, 10}, {12, 10, 3, 3}, {2, 1, 1, 1, 1}, true, true, true},
      {"3x3, stride 2, asymmetric", {2, 8, 8, 10}, {12, 10, 3, 3}, {2, 0, 0, 1, 1}},
      {"3x3, stride 2, many channels", {2, 5, 6, 70}, {150, 70, 3, 3}, {2, 1, 1, 1, 1}},
      {"3x3, stride 2, many pixels", {3, 41, 38, 5}, {7, 5, 3, 3}, {2, 1, 1, 1, 1}},
      {"7x7", {1, 14, 15, 40}, {6, 40, 7, 7}, {1, 3, 3, 3, 3}},
      {"5x5", {1, 9, 8, 3}, {4, 3, 5, 5}, {1, 2, 2, 2, 2}},
      {"5x5 to fewer, uneven padding", {2, 9, 8, 21}, {4, 21, 5, 5}, {1, 0, 3, 4, 1}},
      {"2x3 to fewer", {2, 5, 6, 9}, {2, 9, 2, 3}, {1, 1, 0, 0, 2}},
      {"2x2, stride 2", {2, 8, 8, 5}, {20, 5, 2, 2}, {2}},
      {"4x4, stride 4, patches", {1, 16, 16, 3}, {24, 3, 4, 4}, {4}},
      {"1x3", {1, 4, 9, 5}, {6, 5, 1, 3}, {1, 0, 1, 0, 1}},
      {"1x1", {2, 5, 3, 20}, {33, 20, 1, 1}, {}, true, true, true},
      {"1x1, many channels", {2, 5, 3, 70}, {50, 70, 1, 1}, {}, true, true, true},
      {"1x1, stride 2", {2, 5, 6, 8}, {7, 8, 1, 1}, {2}},
      {"1x1, padded", {1, 3, 3, 4}, {5, 4, 1, 1}, same},
      {"1x1, padded, to fewer", {1, 3, 3, 6}, {5, 6, 1, 1}, same},
      {"3x3 bf16", {1, 8, 8, 16}, {32, 16, 3, 3}, same, true, false, false, kWinograd, DType::bf16},
      {"3x3 f16, direct", {1, 6, 6, 3}, {17, 3, 3, 3}, same, true, false, false, kDirect, DType::f16},
  };
  for (const Case& c : cases) {
    const std::int64_t n = c.x[0], out = c.w[0];
    const Conv2dOptions o = c.options;
    const std::vector<std::int64_t> y{n, (c.x[1] + o.pad_top + o.pad_bottom - c.w[2]) / o.stride + 1,
                                      (c.x[2] + o.pad_left + o.pad_right - c.w[3]) / o.stride + 1, out};
    rows.push_back({std::string("conv2d ") + c.name,
                    {{c.x},
                     {c.w, Fill::normal, c.dtype},
                     c.bias ? Input{{out}} : absent(),
                     c.sample_bias ? Input{{n, out}} : absent(),
                     c.residual ? Input{y} : absent()},
                    [o](Tensors in) { return conv2d(in[0], in[1], in[2], o, {}, in[3], in[4]); },
                    [o](Arrays in) { return conv2d(in[0], in[1], in[2], o, in[3], in[4]); }, c.error});
  }
  rows.push_back({"conv2d 1x1 of two inputs",
                  {{{2, 5, 3, 7}}, {{9, 18, 1, 1}}, {{9}}, {{2, 5, 3, 11}}, {{2, 9}}, {{2, 5, 3, 9}}},
                  [](Tensors in) { return conv2d(in[0], in[1], in[2], {}, in[3], in[4], in[5]); },
                  [](Arrays in) { return conv2d(joined(in[0], in[3]), in[1], in[2], {}, in[4], in[5]); }});
}

void add_resampling(std::vector<Row>& rows) {
  for (const auto& [height, width] : {std::pair{8, 10}, {7, 9}, {3, 2}, {3, 205}}) {
    rows.push_back({"upsample_nearest to " + std::to_string(height) + " x " + std::to_string(width), {{{2, 4, 5, 3}}},
                    [h = height, w = width](Tensors in) { return upsample_nearest(in[0], h, w); },
                    [h = height, w = width](Arrays in) { return upsample_nearest(in[0], h, w); }});
  }
  rows.push_back({"avg_pool2", {{{2, 5, 6, 7}}}, [](Tensors in) { return avg_pool2(in[0]); },
                  [](Arrays in) { return avg_pool2(in[0]); }});
  struct Fir {
    const char* name;
    std::int64_t height, width, to_height, to_width, channels;
    FirBorder border;
  };
  const Fir cases[] = {{"fir_downsample", 6, 8, 3, 4, 3, FirBorder::zeros},
                       {"fir_downsample odd", 7, 5, 3, 2, 19, FirBorder::zeros},
                       {"fir_downsample two", 2, 3, 1, 1, 2, FirBorder::zeros},
                       {"fir_downsample reflect", 6, 7, 3, 3, 5, FirBorder::reflect},
                       {"fir_upsample", 3, 4, 6, 8, 3, FirBorder::zeros},
                       {"fir_upsample odd", 3, 1, 7, 3, 17, FirBorder::zeros},
                       {"fir_upsample reflect", 2, 5, 4, 10, 5, FirBorder::reflect},
                       {"fir_upsample reflect odd", 3, 2, 7, 5, 2, FirBorder::reflect}};
  for (const Fir& c : cases) {
    rows.push_back({c.name, {{{2, c.height, c.width, c.channels}}},
                    [c](Tensors in) {
                      return c.to_height < c.height ? fir_downsample(in[0], c.border)
                                                    : fir_upsample(in[0], c.to_height, c.to_width, c.border);
                    },
                    [c](Arrays in) { return fir_resample(in[0], c.to_height, c.to_width, c.border); }});
  }
}

void add_group_norm(std::vector<Row>& rows) {
  struct Case {
    const char* name;
    std::vector<std::int64_t> x;
    GroupNormOptions options;
    std::int64_t second = 0;
    bool scaled = false;
  };
  const Case cases[] = {
      {"", {2, 3, 5, 12}, {4}},
      {" one channel a group", {2, 4, 4, 9}, {9}},
      {" one group", {2, 7, 10}, {1, 1e-6}},
      {" silu", {2, 5, 5, 64}, {32, 1e-5, Activation::silu}},
      {" silu, scale and shift", {3, 4, 3, 20}, {5, 1e-5, Activation::silu}, 0, true},
      {" silu, a vector in part", {2, 6, 7, 57}, {3, 1e-5, Activation::silu}},
      {" two inputs", {2, 3, 3, 16}, {4}, 24},
      {" two inputs, a group over the seam", {2, 3, 3, 10}, {4, 1e-5, Activation::silu}, 14, true},
      {" many samples", {9, 3, 2, 6}, {3, 1e-5, Activation::silu}, 6, true},
      {" many pixels", {1, 18, 17, 4}, {2, 1e-5, Activation::silu}},
      {" shared out by channels and pixels", {2, 18, 17, 20}, {5, 1e-5, Activation::silu}, 100, true},
  };
  for (const Case& c : cases) {
    const std::int64_t channels = c.x.back() + c.second, n = c.x[0];
    std::vector<std::int64_t> x2 = c.x;
    x2.back() = c.second;
    const Input vector{{channels}}, rows_of_samples{{n, channels}};
    rows.push_back({std::string("group_norm") + c.name,
                    {{c.x}, vector, vector, c.second > 0 ? Input{x2} : absent(), c.scaled ? rows_of_samples : absent(),
                     c.scaled ? rows_of_samples : absent()},
                    [o = c.options](Tensors in) { return group_norm(in[0], in[1], in[2], o, in[3], in[4], in[5]); },
                    [o = c.options](Arrays in) { return group_norm(joined(in[0], in[3]), in[1], in[2], o, in[4], in[5]); }});
    rows.back().in_double = [o = c.options](Arrays in, const Array& seed) { return group_norm_in_double(in, o, seed); };
  }
}

void add_conv2d_of_norm(std::vector<Row>& rows) {
  const GroupNormOptions norm{4, 1e-5, Activation::silu};
  const Conv2dOptions same{1, 1, 1, 1, 1};
  rows.push_back({"conv2d of a group norm",
                  {{{2, 20, 20, 8}}, {{12}}, {{12}}, {{2, 20, 20, 4}}, {{2, 12}}, {{2, 12}}, {{6, 12, 3, 3}}, {{6}}, {{2, 6}},
                   {{2, 20, 20, 6}}},
                  [=](Tensors in) {
                    return conv2d(GroupNormed{in[0], in[1], in[2], norm, in[3], in[4], in[5]}, in[6], in[7], same, in[8], in[9]);
                  },
                  [=](Arrays in) {
                    const Array y = group_norm(joined(in[0], in[3]), in[1], in[2], norm, in[4], in[5]);
                    return conv2d(y, in[6], in[7], same, in[8], in[9]);
                  },
                  kWinograd});
}

void add_attention(std::vector<Row>& rows) {
  struct Case {
    const char* name;
    std::int64_t n, queries, keys, d;
    AttentionOptions options;
    bool mask = false;
    std::vector<std::int64_t> bias{};
  };
  const Case cases[] = {
      {"", 2, 5, 5, 8, {2}},
      {" one head", 1, 49, 49, 32, {1}},
      {" tails", 2, 19, 23, 5, {3}},
      {" one block of queries", 1, 95, 20, 8, {1}},  // the longest that AVX-512 takes
      {" blocks of unlike length", 1, 131, 70, 16, {1}},
      {" causal", 2, 9, 9, 8, {2, 0, 0, true}},
      {" causal, other lengths", 1, 6, 11, 8, {1, 0, 0, true}},
      {" scale 1", 1, 7, 9, 4, {2, 0, 1}},
      {" mask", 3, 6, 21, 8, {2}, true},
      {" groups of queries", 2, 7, 9, 8, {6, 2}},
      {" bias", 2, 5, 9, 4, {2}, false, {2, 2, 5, 9}},
      {" bias of a head", 2, 5, 9, 4, {2}, false, {1, 2, 5, 9}},
      {" bias of a sample", 2, 5, 9, 4, {2}, false, {2, 1, 1, 9}},
      {" all at once", 2, 19, 19, 8, {4, 2, 0.5, true}, true, {1, 4, 19, 19}},
  };
  for (const Case& c : cases) {
    const std::int64_t kv = c.options.kv_heads > 0 ? c.options.kv_heads : c.options.heads;
    const AttentionOptions o = c.options;
    rows.push_back({std::string("attention") + c.name,
                    {{{c.n, c.queries, o.heads * c.d}},
                     {{c.n, c.keys, kv * c.d}},
                     {{c.n, c.keys, kv * c.d}},
                     c.mask ? Input{{c.n, c.keys}, Fill::mask} : absent(),
                     c.bias.empty() ? absent() : Input{c.bias}},
                    [o](Tensors in) { return attention(in[0], in[1], in[2], o, in[3], in[4]); },
                    [o](Arrays in) { return attention(in[0], in[1], in[2], o, in[3], in[4]); }});
    rows.back().in_double = [o](Arrays in, const Array& seed) { return attention_in_double(in, o, seed); };
  }
}

// The mask is the documented one: elements whose keyed number is below p fall.
void add_dropout(std::vector<Row>& rows) {
  constexpr double p = 0.3;
  const auto run = [=](Tensors in) {
    const DropoutScope scope({11, 7});
    return dropout(in[0], p, "mid_block.resnets.0");
  };
  rows.push_back({"dropout", {{{3, 5, 7}}}, run, [=](Arrays in) {
                    const NoiseKey key(kDropout, 7, static_cast<std::uint32_t>(fnv1a("mid_block.resnets.0") >> 40));
                    Array y(in[0].shape);
                    for (std::int64_t i = 0; i < y.elements(); ++i) {
                      if (keyed_uniform(11, key, i / 35, i % 35) >= p) y[i] = in[0][i] * Dual(1 / (1 - p));
                    }
                    return y;
                  }});
}

void add_embeddings(std::vector<Row>& rows) {
  for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{7}, {3, 4}}) {
    rows.push_back({"embedding of rank " + std::to_string(shape.size()), {{shape, Fill::index}, {{5, 9}}},
                    [](Tensors in) { return embedding(in[0], in[1]); }, [](Arrays in) { return embedding(in[0], in[1]); }});
  }
  rows.push_back({"embedding bf16", {{{7}, Fill::index}, {{5, 9}, Fill::normal, DType::bf16}},
                  [](Tensors in) { return embedding(in[0], in[1]); }, [](Arrays in) { return embedding(in[0], in[1]); }});
  rows.push_back({"fourier_embedding", {{{5}, Fill::positive}, {{19}, Fill::normal, DType::f32, false, 16}},
                  [](Tensors in) { return fourier_embedding(in[0], in[1]); },
                  [](Arrays in) { return fourier_embedding(in[0], in[1]); }});
  rows.back().in_double = fourier_embedding_in_double;
  for (const TimestepEmbeddingOptions& o :
       {TimestepEmbeddingOptions{}, {32, false, 1}, {33, true, 0}, {16, false, 0.5, 100}}) {
    rows.push_back({"timestep_embedding of " + std::to_string(o.channels), {{{5}, Fill::timestep}},
                    [o](Tensors in) { return timestep_embedding(in[0], o); },
                    [o](Arrays in) { return timestep_embedding(in[0], o); }});
    rows.back().in_double = [o](Arrays in, const Array& seed) { return timestep_embedding_in_double(in, o, seed); };
  }
}

}  // namespace

const std::vector<Row>& op_table() {
  static const std::vector<Row> table = [] {
    std::vector<Row> rows;
    add_elementwise(rows);
    using A = const Dual&;
    add_arithmetic(rows, "add", [](const Tensor& a, const Tensor& b) { return a + b; }, [](A a, A b) { return a + b; });
    add_arithmetic(rows, "sub", [](const Tensor& a, const Tensor& b) { return a - b; }, [](A a, A b) { return a - b; });
    add_arithmetic(rows, "mul", [](const Tensor& a, const Tensor& b) { return a * b; }, [](A a, A b) { return a * b; });
    add_arithmetic(rows, "div", [](const Tensor& a, const Tensor& b) { return a / b; }, [](A a, A b) { return a / b; });
    add_shapes_and_sums(rows);
    add_linear(rows);
    add_conv2d(rows);
    add_resampling(rows);
    add_group_norm(rows);
    add_conv2d_of_norm(rows);
    add_attention(rows);
    add_dropout(rows);
    add_embeddings(rows);
    return rows;
  }();
  return table;
}

}  // namespace eddy::test
