#include "autograd/backward.hpp"

#include <cmath>
#include <optional>
#include <thread>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

std::vector<float> list(const Tensor& x) { return {x.values().begin(), x.values().end()}; }

Tensor three() { return Tensor::from({0.5f, -1.25f, 2.f}, {3}); }

// A number and its derivative.
struct Dual {
  double v, d;
};
Dual operator+(Dual a, Dual b) { return {a.v + b.v, a.d + b.d}; }
Dual operator-(Dual a, Dual b) { return {a.v - b.v, a.d - b.d}; }
Dual operator*(Dual a, Dual b) { return {a.v * b.v, a.d * b.v + a.v * b.d}; }

// A graph of 40 operations in which most values are used several times; drawn by the seed.
template <class T, class Scale>
T graph(std::uint64_t seed, const T& a, const T& b, const Scale& scale) {
  std::vector<T> values{a, b};
  const auto draw = [&](std::int64_t i, std::size_t n) { return keyed_bits(seed, {kDropout, 0}, 0, i) % n; };
  for (std::int64_t i = 0; i < 40; ++i) {
    const T u = values[draw(3 * i, values.size())], w = values[draw(3 * i + 1, values.size())];
    switch (draw(3 * i + 2, 3)) {
      case 0:
        values.push_back(scale(u + w));
        break;
      case 1:
        values.push_back(scale(u - w));
        break;
      default:
        values.push_back(scale(u * w));
    }
  }
  T total = values.back();
  for (std::size_t i = values.size() - 6; i + 1 < values.size(); ++i) total = total + values[i];
  return total;
}

}  // namespace

TEST_CASE("backward: a value that is used several times gets the sum, in closed form") {
  const Tensor x = three().variable(), w = Tensor::from({2.f, 1.f, -1.f}, {3}).variable();
  const Tensor y = x * w;
  const auto g = gradients(sum(y * y * y + y - y * 4.0), {x, w});
  for (std::size_t i = 0; i < 3; ++i) {
    const double a = static_cast<double>(x.values()[i]), b = static_cast<double>(w.values()[i]);
    const double dy = 3 * a * a * b * b - 3;
    CHECK(static_cast<double>(g[0].values()[i]) == Approx(dy * b).epsilon(1e-6));
    CHECK(static_cast<double>(g[1].values()[i]) == Approx(dy * a).epsilon(1e-6));
  }
}

TEST_CASE("backward: graphs with shared parts agree with dual numbers") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Tensor a = Tensor::scalar(0.75f).variable(), b = Tensor::scalar(-0.5f).variable();
    const auto halved = [](const Tensor& x) { return affine(x, 0.5); };
    const auto g = gradients(graph<Tensor>(seed, a, b, halved), {a, b});
    const auto half = [](Dual x) { return Dual{x.v / 2, x.d / 2}; };
    INFO("seed " << seed);
    CHECK(static_cast<double>(g[0].item()) == Approx(graph<Dual>(seed, {0.75, 1}, {-0.5, 0}, half).d).epsilon(1e-5));
    CHECK(static_cast<double>(g[1].item()) == Approx(graph<Dual>(seed, {0.75, 0}, {-0.5, 1}, half).d).epsilon(1e-5));
  }
}

TEST_CASE("backward: zeros where the root does not depend on a leaf") {
  const Tensor x = three().variable(), other = Tensor::full({2, 2}, 1).variable();
  const auto g = gradients(sum(square(x)), {other, x});
  CHECK(g[0].shape() == Shape{2, 2});
  CHECK(list(g[0]) == std::vector<float>(4));
  CHECK(list(g[1]) == std::vector<float>{1, -2.5f, 4});
}

TEST_CASE("backward: a leaf that is asked for twice gets its gradient twice") {
  const Tensor x = three().variable();
  const auto g = gradients(sum(square(x)), {x, x});
  CHECK(list(g[0]) == std::vector<float>{1, -2.5f, 4});
  CHECK(list(g[1]) == list(g[0]));
}

TEST_CASE("backward: only operations that lead to an asked-for leaf run") {
  static int ran;
  static const Operation counted{"counted", [](Call& call) { return call.input(0).clone(); },
                                 [](Call&, const Tensor& g, std::span<Tensor> result) { ++ran, result[0] = g; }};
  ran = 0;
  const Tensor x = three().variable(), y = three().variable();
  const Tensor root = sum(apply(counted, {x}) * apply(counted, {apply(counted, {y})}));
  gradients(root, {x});
  CHECK(ran == 1);
}

TEST_CASE("backward: what is no leaf, and a root that was not recorded, are Errors") {
  const Tensor x = three().variable();
  const Tensor y = square(x);
  CHECK_THROWS_WITH(gradients(sum(y), {x, three()}), Catch::Contains("leaf 1"));
  CHECK_THROWS_WITH(gradients(sum(y), {y}), Catch::Contains("leaf 0"));
  CHECK_THROWS_WITH(gradients(sum(three()), {x}), Catch::Contains("not recorded"));
  CHECK_THROWS_AS(gradients(Tensor{}, {x}), Error);
  CHECK_THROWS_AS(gradients(sum(y.detached()), {x}), Error);
}

TEST_CASE("backward: a root that is itself a leaf") {
  const Tensor x = Tensor::scalar(3).variable(), other = Tensor::scalar(4).variable();
  const auto g = gradients(x, {x, other});
  CHECK(g[0].item() == 1);
  CHECK(g[1].item() == 0);
}

TEST_CASE("backward: a seed weighs the root's elements; without one the root must have one element") {
  const Tensor x = three().variable();
  CHECK(list(gradients(square(x), {x}, Tensor::from({1.f, 10.f, -1.f}, {3}))[0]) == std::vector<float>{1, -25, -4});
  CHECK_THROWS_WITH(gradients(square(x), {x}), Catch::Contains("(3)") && Catch::Contains("seed"));
  CHECK_THROWS_WITH(gradients(square(x), {x}, Tensor::zeros({1, 3})), Catch::Contains("(1, 3)"));
  const Tensor seed = Tensor::full({3}, 2);
  const auto g = gradients(affine(x, 1) + affine(x, 1), {x}, seed);
  CHECK(list(g[0]) == std::vector<float>{4, 4, 4});
  CHECK(list(seed) == std::vector<float>{2, 2, 2});
}

TEST_CASE("backward: a used tape is an Error, also where only a part was used") {
  const Tensor x = three().variable();
  const Tensor shared = square(x);
  const Tensor first = sum(shared), second = sum(affine(shared, 2));
  gradients(first, {x});
  CHECK_THROWS_WITH(gradients(first, {x}), Catch::Contains("used up"));
  CHECK_THROWS_WITH(gradients(second, {x}), Catch::Contains("used up"));
  CHECK(list(gradients(sum(square(x)), {x})[0]) == std::vector<float>{1, -2.5f, 4});
}

TEST_CASE("backward: a parameter that changed since forward is an Error that names it") {
  const ParameterTree tree;
  const Linear layer(tree.in("block.0"), 3, 2);
  tree.allocate();
  tree.initialise(0);
  const Tensor x = Tensor::full({4, 3}, 1).variable();
  const Tensor root = sum(layer(x));
  layer.weight.write()[0] = 9;
  CHECK_THROWS_WITH(gradients(root, {x}), Catch::Contains("block.0.weight") && Catch::Contains("linear"));
  const Tensor again = sum(layer(x));
  layer.bias.write()[0] = 9;  // no derivative needs the bias
  CHECK(static_cast<double>(gradients(again, {x})[0].values()[1]) ==
        Approx(static_cast<double>(layer.weight.value().values()[1] + layer.weight.value().values()[4])).epsilon(1e-6));
}

TEST_CASE("backward: gradients are written to memory of the caller, whoever shares it") {
  const Tensor x = three().variable(), y = three().variable(), alone = three().variable();
  const Tensor arena = Tensor::full({9}, 100);
  std::vector<Tensor> into{arena.rows(0, 3), arena.rows(3, 3), arena.rows(6, 3)};
  write_gradients(sum(square(x) + affine(x, 1)) + sum(affine(y, 3)), std::vector{x, y, alone}, into);
  CHECK(list(arena) == std::vector<float>{2, -1.5f, 5, 3, 3, 3, 0, 0, 0});
  write_gradients(sum(affine(y, 4)), std::vector{x, y, alone}, into);
  CHECK(list(arena) == std::vector<float>{0, 0, 0, 4, 4, 4, 0, 0, 0});
  std::vector<Tensor> seeded{Tensor::full({3}, 7)};
  write_gradients(square(x), std::vector{x}, seeded, Tensor::from({0.f, 0.f, 1.f}, {3}));
  CHECK(list(seeded[0]) == std::vector<float>{0, 0, 4});
}

TEST_CASE("backward: a weight used several times, also twice by one operation, gets the sum") {
  const Tensor w = Tensor::from({1.f, 2.f, 3.f, 4.f}, {2, 2}).variable();
  static const Operation twice{"twice", [](Call& call) { return affine(call.input(0), 1); },
                               [](Call& call, const Tensor& g, std::span<Tensor> result) {
                                 for (int i = 0; i < 2; ++i) {
                                   result[static_cast<std::size_t>(i)] = call.gradient_memory(i);
                                   Tensor::Access::write(result[static_cast<std::size_t>(i)])[0] = g.values()[0] + static_cast<float>(i);
                                   for (int k = 1; k < 4; ++k) Tensor::Access::write(result[static_cast<std::size_t>(i)])[k] = 0;
                                 }
                               }};
  std::vector<Tensor> into{Tensor::full({2, 2}, 9)};
  write_gradients(sum(apply(twice, {w, w})), std::vector{w}, into);
  CHECK(list(into[0]) == std::vector<float>{3, 0, 0, 0});
  const Tensor x = Tensor::from({1.f, 10.f}, {1, 2});
  write_gradients(sum(linear(linear(x, w), w)), std::vector{w}, into);
  const std::vector<Tensor> fresh = gradients(sum(linear(linear(x, w), w)), {w});
  CHECK(list(into[0]) == list(fresh[0]));
}

TEST_CASE("backward: write_gradients refuses what does not fit the leaves") {
  const Tensor x = three().variable();
  std::vector<Tensor> none, crooked{Tensor::zeros({2})}, twice{Tensor::zeros({3}), Tensor::zeros({3})};
  std::vector<Tensor> integers{Tensor::uninitialised({3}, DType::i64)}, empty{Tensor{}};
  const auto root = [&] { return sum(square(x)); };
  CHECK_THROWS_WITH(write_gradients(root(), std::vector{x}, none), Catch::Contains("1 leaves"));
  CHECK_THROWS_WITH(write_gradients(root(), std::vector{x}, crooked), Catch::Contains("into[0]"));
  CHECK_THROWS_WITH(write_gradients(root(), std::vector{x, x}, twice), Catch::Contains("leaf 1"));
  CHECK_THROWS_WITH(write_gradients(root(), std::vector{x}, integers), Catch::Contains("into[0]"));
  CHECK_THROWS_WITH(write_gradients(root(), std::vector{x}, empty), Catch::Contains("into[0]"));
}

TEST_CASE("backward: memory goes back as it proceeds, and all of it in the end") {
  static std::vector<std::size_t> seen;
  static const Operation looks{"looks", [](Call& call) { return square(call.input(0)); },
                               [](Call& call, const Tensor& g, std::span<Tensor> result) {
                                 seen.push_back(call.context().memory().in_use);
                                 result[0] = g;
                               }};
  seen.clear();
  ContextOptions options;
  options.threads = 1;
  const Context context(options);
  const Tensor x = Tensor::full({100000}, 1, context).variable();
  const std::size_t before = context.memory().in_use;
  Tensor root;
  {
    Tensor y = x;
    for (int i = 0; i < 6; ++i) y = square(apply(looks, {y}));  // each square keeps its input
    root = sum(y);
  }
  CHECK(context.memory().in_use >= before + 6 * 400000);
  {
    const auto g = gradients(root, {x});
    REQUIRE(seen.size() == 6);
    for (std::size_t i = 1; i < 6; ++i) CHECK(seen[i] + 400000 <= seen[i - 1]);
    CHECK(context.memory().in_use <= before + 430000 + 256);
  }
  root = {};
  CHECK(context.memory().in_use == before);
}

TEST_CASE("backward: a tape that is dropped unused gives its memory back") {
  ContextOptions options;
  options.threads = 1;
  const Context context(options);
  {
    const Tensor x = Tensor::full({1000}, 1, context).variable();
    const Tensor y = square(exp(x));
    CHECK(context.memory().in_use > 8000);
  }
  CHECK(context.memory().in_use == 0);
}

TEST_CASE("backward: a very long chain needs no stack") {
  const Tensor x = Tensor::scalar(1).variable();
  for (const bool walked : {true, false}) {
    Tensor y = x;
    for (int i = 0; i < 200000; ++i) y = affine(y, 1);
    if (walked) CHECK(gradients(y, {x})[0].item() == 1);
  }
}

TEST_CASE("backward: several host threads differentiate one model at once", "[threads]") {
  const ParameterTree tree;
  const Conv2d conv(tree.in("conv"), 3, 8);
  tree.allocate();
  tree.initialise(0);
  const Tensor x = philox_noise(0).normal({2, 9, 9, 3}, kInitialNoise);
  const auto work = [&] { return list(gradients(sum(square(conv(x))), {conv.weight.value()})[0]); };
  const auto expected = work();
  std::vector<std::vector<float>> results(3);
  std::vector<std::thread> threads;
  for (auto& result : results) threads.emplace_back([&] { result = work(); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : results) CHECK(result == expected);
}

TEST_CASE("backward: what an operation adds its gradient to is the sum of the gradients, in either order") {
  const auto normals = [](const Shape& shape, std::uint32_t number) { return philox_noise(4).normal(shape, {kUser, number}); };
  const Tensor x = normals({2, 3, 3, 6}, 1).variable(), x2 = normals({2, 3, 3, 4}, 2).variable();
  const Tensor gamma = normals({10}, 3), beta = normals({10}, 4), seed = normals({2, 3, 3, 10}, 5), others = normals({2, 3, 3, 6}, 6),
               others2 = normals({2, 3, 3, 4}, 7), of_joined = normals({10, 10, 1, 1}, 8), of_x = normals({10, 6}, 9),
               of_x2 = normals({10, 4}, 10);
  const GroupNormOptions options{5, 1e-5, Activation::silu};
  const std::vector<std::pair<const char*, std::function<Tensor(const Tensor&, const Tensor&)>>> operations{
      {"group_norm", [&](const Tensor& h, const Tensor& h2) { return group_norm(h, gamma, beta, options, h2); }},
      {"conv2d 1x1", [&](const Tensor& h, const Tensor& h2) { return conv2d(h, of_joined, {}, {}, h2); }},
      {"linear", [&](const Tensor& h, const Tensor& h2) { return linear(h, of_x) + linear(h2, of_x2); }},
  };
  const auto other = [&](const Tensor& a) { return sum(mul(a, others)); };
  const auto other2 = [&](const Tensor& a) { return sum(mul(a, others2)); };
  for (const auto& [name, operation] : operations) {
    CAPTURE(name);
    const auto one = [&, &f = operation](const Tensor& h, const Tensor& h2) { return sum(mul(f(h, h2), seed)); };
    const auto alone = gradients(one(affine(x, 2), affine(x2, 0.5)), {x, x2});
    const std::vector<float> first = list(alone[0] + gradients(other(affine(x, 2)), {x})[0]),
                             second = list(alone[1] + gradients(other2(affine(x2, 0.5)), {x2})[0]);
    for (const bool one_first : {true, false}) {
      const Tensor h = affine(x, 2), h2 = affine(x2, 0.5);  // no leaves
      const Tensor n = one(h, h2), rest = other(h) + other2(h2);
      const auto found = gradients(one_first ? n + rest : rest + n, {x, x2});
      CHECK(list(found[0]) == first);
      CHECK(list(found[1]) == second);
    }
  }
}
