// Convolution of a group norm by parts of the batch: the bytes of the two operations one after the other.
#include <algorithm>
#include <vector>

#include "base/half.hpp"
#include "eddy/eddy.hpp"
#include "support/catch.hpp"
#include "support/instruction_sets.hpp"

using namespace eddy;

namespace {

struct Case {
  std::int64_t n, height, width, c1, c2, out;
  GroupNormOptions options;
  bool scaled;
  std::vector<int> threads;  // that can share out the batch evenly
};

const std::vector<Case>& cases() {
  const GroupNormOptions silu{4, 1e-5, Activation::silu}, none{2, 1e-6};
  static const std::vector<Case> all{
      {4, 20, 20, 12, 0, 8, silu, true, {1, 2}},
      {3, 19, 21, 5, 0, 3, {5, 1e-5}, false, {1, 3}},     // tails of every kind
      {29, 9, 9, 20, 12, 24, silu, true, {1, 2, 3}},      // the last part is shorter
      {4, 28, 28, 64, 32, 32, silu, false, {1, 2}},
      {4, 26, 26, 48, 0, 48, none, false, {1, 2}},        // by digits where there is a unit for them
      {12, 14, 14, 64, 0, 128, silu, false, {1, 2, 3}},   // a part alone would be few tiles, with weights as they come
      {64, 7, 7, 64, 0, 128, silu, false, {1, 2}},
  };
  return all;
}

struct Result {
  Tensor y;
  std::vector<Tensor> gradients;
};

enum class Way { one_operation, apart };
enum class Wanted { all, weights, bias };

Tensor shortened(const Tensor& w, DType dtype) {
  Tensor result = Tensor::uninitialised(w.shape(), dtype, w.context());
  auto* bits = static_cast<std::uint16_t*>(result.mutable_raw());
  for (const float v : w.values()) *bits++ = dtype == DType::f16 ? half_from_float(v) : bfloat_from_float(v);
  return result;
}

// x is no leaf, and another operation reads it too: the norm adds its gradient to that one's.
Result run(const Case& c, const ContextOptions& options, Way way, Wanted wanted, DType weights = DType::f32) {
  const Context context(options);
  std::uint64_t calls = 0;
  const auto normals = [&](const Shape& shape) { return philox_noise(++calls).normal(shape, kInitialNoise, context); };
  const std::int64_t channels = c.c1 + c.c2;
  const Shape out{c.n, c.height, c.width, c.out};
  const auto leaf = [&](const Shape& shape, bool asked) { return asked ? normals(shape).variable() : normals(shape); };
  const bool all = wanted == Wanted::all;
  const Tensor x = leaf({c.n, c.height, c.width, c.c1}, all), x2 = leaf({c.n, c.height, c.width, c.c2}, all);
  const Tensor gamma = leaf({channels}, all), beta = leaf({channels}, all), scale = leaf({c.n, channels}, all),
               shift = leaf({c.n, channels}, all);
  const Tensor w = leaf({c.out, channels, 3, 3}, wanted != Wanted::bias && weights == DType::f32), bias = leaf({c.out}, true),
               sample_bias = leaf({c.n, c.out}, true), residual = leaf(out, true);
  const Tensor seed = normals(out), other = normals(x.shape());
  const Tensor h = affine(x, 2), h2 = c.c2 > 0 ? affine(x2, 0.5) : Tensor{};
  const GroupNormed norm{h, gamma, beta, c.options, h2, c.scaled ? scale : Tensor{}, c.scaled ? shift : Tensor{}};
  const Tensor weight = weights == DType::f32 ? w : shortened(w, weights);
  const Conv2dOptions padded{1, 1, 1, 1, 1};
  Result r;
  r.y = way == Way::one_operation ? conv2d(norm, weight, bias, padded, sample_bias, residual)
                                  : conv2d(group_norm(norm), weight, bias, padded, {}, sample_bias, residual);
  std::vector<Tensor> leaves{bias, sample_bias, residual};
  if (w.requires_grad()) leaves.push_back(w);
  if (all) leaves.insert(leaves.end(), {x, gamma, beta});
  if (all && c.c2 > 0) leaves.push_back(x2);
  if (all && c.scaled) leaves.insert(leaves.end(), {scale, shift});
  const Tensor total = sum(mul(r.y, seed));
  r.gradients = gradients(all ? sum(mul(h, other)) + total : total, leaves);
  return r;
}

bool same(const Tensor& a, const Tensor& b) { return std::ranges::equal(a.values(), b.values()); }

void check_same(const Result& a, const Result& b) {
  CHECK(same(a.y, b.y));
  REQUIRE(a.gradients.size() == b.gradients.size());
  for (std::size_t i = 0; i < a.gradients.size(); ++i) {
    CAPTURE(i);
    CHECK(same(a.gradients[i], b.gradients[i]));
  }
}

ContextOptions on(ContextOptions options, int threads) {
  options.threads = threads;
  return options;
}

std::int64_t part(const Case& c, const Context& context) {
  const std::int64_t channels = c.c1 + c.c2;
  const NormConvShape shape{{c.n, c.height * c.width, c.c1, c.c2, c.options.groups, c.options.eps, true},
                            {c.n, c.height, c.width, channels, c.out, c.height, c.width, 3, 3, 1, 1, 1}};
  return context.kernels().norm_conv2d.part(context.kernels(), shape, context.slots());
}

void check_case(const Case& c, const ContextOptions& options) {
  CAPTURE(name(options.isa), name(options.products), c.n, c.height, c.c1, c.c2, c.out);
  for (const int threads : {1, 2, 3}) {
    const bool shared_evenly = std::ranges::find(c.threads, threads) != c.threads.end();
    CHECK((part(c, Context(on(options, threads))) > 0) == shared_evenly);
  }
  for (const Wanted wanted : {Wanted::all, Wanted::weights, Wanted::bias}) {
    const Result apart = run(c, on(options, 1), Way::apart, wanted);
    for (const int threads : {1, 2, 3}) {
      CAPTURE(threads, static_cast<int>(wanted));
      check_same(run(c, on(options, threads), Way::one_operation, wanted), apart);
    }
  }
  for (const DType dtype : {DType::f16, DType::bf16}) {
    CAPTURE(name(dtype));
    const auto by = [&](Way way) { return run(c, on(options, 1), way, Wanted::all, dtype); };
    check_same(by(Way::one_operation), by(Way::apart));
  }
}

}  // namespace

TEST_CASE("conv2d of a group norm: the bytes of the two, output and gradients, on any number of threads", "[ops][kernels]") {
  for (const Isa isa : test::instruction_sets()) {
    for (const Case& c : cases()) check_case(c, {.isa = isa});
  }
}

TEST_CASE("conv2d of a group norm: the same with factors of bfloat16", "[bf16]") {
  for (const Products products : {Products::bf16_avx512, Products::bf16_amx}) {
    if (!available(products)) continue;
    for (const Case& c : cases()) check_case(c, {.isa = Isa::avx512, .products = products});
  }
}

TEST_CASE("conv2d of a group norm: one after the other where pictures are large, few or far apart", "[ops]") {
  const Context context(ContextOptions{.threads = 2});
  const GroupNormOptions norm{4};
  CHECK(part({4, 20, 20, 8, 0, 8, norm, false, {}}, context) == 1);
  CHECK(part({40, 9, 9, 8, 0, 8, norm, false, {}}, context) == 5);
  CHECK(part({1, 20, 20, 8, 0, 8, norm, false, {}}, context) == 0);
  CHECK(part({5, 20, 20, 8, 0, 8, norm, false, {}}, context) == 0);
  CHECK(part({4, 160, 160, 8, 0, 8, norm, false, {}}, context) == 0);
  const Tensor x = Tensor::full({4, 20, 20, 8}, 1, context);
  const Tensor gamma = Tensor::zeros({8}, context), beta = Tensor::full({8}, 0.5, context);
  const Tensor w = Tensor::full({8, 8, 1, 1}, 2, context);
  CHECK(conv2d(GroupNormed{x, gamma, beta, norm}, w, {}).values()[0] == 8);  // 1x1: a product of rows
}

// Where x is read three times, by a residual, by another operation and by the norm, the order of the sum of its gradients does
// not depend on how the batch is shared out.
TEST_CASE("conv2d of a group norm: sums of gradients have one order on any number of threads", "[ops][threads]") {
  const auto gradient = [](int threads, bool projected) {
    const Context context(ContextOptions{.threads = threads});
    std::uint64_t calls = 0;
    const auto normals = [&](const Shape& shape) { return philox_noise(++calls).normal(shape, kInitialNoise, context); };
    const Tensor x = normals({5, 20, 20, 8}).variable(), other = normals(x.shape()), seed = normals(x.shape());
    const Tensor h = affine(x, 2), gamma = normals({8}), beta = normals({8}), w = normals({8, 8, 3, 3});
    const Tensor residual = projected ? conv2d(h, normals({8, 8, 1, 1}), {}) : h;
    const Tensor y = conv2d(GroupNormed{h, gamma, beta, {4, 1e-5, Activation::silu}}, w, {}, {1, 1, 1, 1, 1}, {}, residual);
    return gradients(sum(mul(y, seed)) + sum(mul(h, other)), {x})[0];
  };
  for (const bool projected : {false, true}) {
    const Tensor one = gradient(1, projected);  // by parts; five samples are no even share of two
    for (const int threads : {2, 5}) CHECK(same(gradient(threads, projected), one));
  }
}

TEST_CASE("conv2d of a group norm: of an output that is made again, in a checkpoint, and with weights kept packed", "[ops]") {
  const Context context(ContextOptions{.threads = 2});
  const auto normals = [&](const Shape& shape, std::uint64_t seed) {
    return philox_noise(seed).normal(shape, kInitialNoise, context);
  };
  const ParameterTree tree;
  const Conv2d conv(tree.in("conv"), 8, 8);
  const GroupNorm norm(tree.in("norm"), 8, {4, 1e-5, Activation::silu});
  tree.allocate(context);
  tree.initialise(0);
  const Tensor x = normals({4, 10, 10, 8}, 1).variable(), seed = normals({4, 20, 20, 8}, 2);
  const auto one = [&](const Tensor& small) { return conv(norm.of(upsample_nearest(small, 20, 20))); };
  const auto apart = [&](const Tensor& small) { return conv(norm(upsample_nearest(small, 20, 20))); };
  const std::vector<Tensor> leaves{x, conv.weight.value(), conv.bias.value(), norm.weight.value(), norm.bias.value()};
  const auto expected = gradients(apart(x), leaves, seed);
  const auto plain = gradients(one(x), leaves, seed);
  const Tensor recorded = checkpoint([&](std::span<const Tensor> in) { return one(in[0]); }, std::vector<Tensor>{x});
  const auto again = gradients(recorded, leaves, seed);
  std::vector<Tensor> into;
  for (const Tensor& leaf : leaves) into.push_back(Tensor::full(leaf.shape(), 7, context));
  write_gradients(one(x), leaves, into, seed);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    CAPTURE(i);
    CHECK(same(plain[i], expected[i]));
    CHECK(same(again[i], expected[i]));
    CHECK(same(into[i], expected[i]));
  }
  const NoGrad no_grad;
  const Tensor y = apart(x);
  CHECK(same(one(x), y));
  CHECK(same(one(x), y));  // by the weights that the first has packed
}
