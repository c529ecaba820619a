// Adapters, against their closed forms in double.
#include <cmath>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

using Adapter = Denoiser (*)(Network, Condition);

struct Named {
  const char* name;
  Adapter adapter;
};
const std::vector<Named> kAdapters{{"eps", from_eps}, {"v", from_v}, {"x0", from_x0}, {"flow", from_flow},
                                  {"edm", [](Network n, Condition c) { return from_edm(n, c, {.sigma_data = 0.7}); }}};

// Of x and t, not linear in either; small enough to know in double.
double raw(double x, double t) { return std::tanh(x + 0.3 * t) + 0.1; }

const Network kNetwork = [](const Tensor& x, const Tensor& t, const Condition&) {
  Tensor y = Tensor::uninitialised(x.shape());
  const std::size_t row = x.values().size() / t.values().size();
  for (std::size_t i = 0; i < x.values().size(); ++i) {
    const double value = raw(static_cast<double>(x.values()[i]), static_cast<double>(t.values()[i / row]));
    y.mutable_values()[i] = static_cast<float>(value);
  }
  return y;
};

struct Exact {
  double x0, eps, size;  // size: what rounding errors are measured by
};

// x0 and eps of one element by the definitions, at the network's own scale.
Exact exact(const std::string& kind, double x, NoiseLevel l) {
  if (kind == "edm") {  // as the paper states it, at alpha = 1
    x /= l.alpha;
    const double s = l.sigma / l.alpha, d = 0.7, norm = std::sqrt(s * s + d * d);
    const double out = raw(x / norm, l.t), x0 = d * d / (norm * norm) * x + s * d / norm * out;
    return {x0, (x - x0) / s, std::abs(x / norm) + std::abs(out) + 1};
  }
  const double k = kind == "flow" ? l.alpha + l.sigma : std::hypot(l.alpha, l.sigma);
  x /= k, l.alpha /= k, l.sigma /= k;
  const double out = raw(x, l.t), size = std::abs(x) + std::abs(out) + 1;
  if (kind == "eps") return {(x - l.sigma * out) / l.alpha, out, size / l.alpha};
  if (kind == "v") return {l.alpha * x - l.sigma * out, l.sigma * x + l.alpha * out, size};
  if (kind == "x0") return {out, l.sigma > 0 ? (x - l.alpha * out) / l.sigma : 0, l.sigma > 0 ? size / l.sigma : size};
  return {x - l.sigma * out, x + l.alpha * out, size};
}

const std::vector<NoiseLevel> kLevels{{0.0, 1.0, 0.01}, {0.3, 0.8, 0.6},  {1.0, 0.05, 0.99874921777},
                                      {0.5, 0.5, 0.5},  {0.7, 1.0, 14.6}, {0.2, 0.9, 0.1}};

Tensor noise(std::int64_t n) { return philox_noise(4).normal({n, 3, 2}, kInitialNoise); }

void check(const std::string& kind, const Prediction& p, const Tensor& x, std::span<const NoiseLevel> levels) {
  const std::size_t row = x.values().size() / static_cast<std::size_t>(x.extent(0));
  for (std::size_t i = 0; i < x.values().size(); ++i) {
    const NoiseLevel& level = levels[levels.size() == 1 ? 0 : i / row];
    const Exact e = exact(kind, static_cast<double>(x.values()[i]), level);
    CHECK(static_cast<double>(p.x0.values()[i]) == Approx(e.x0).epsilon(0).margin(5e-7 * e.size));
    CHECK(static_cast<double>(p.eps.values()[i]) == Approx(e.eps).epsilon(0).margin(5e-7 * e.size));
  }
}

bool equal(const Tensor& a, const Tensor& b) { return std::ranges::equal(a.values(), b.values()); }

}  // namespace

TEST_CASE("adapters: x0 and eps are the closed forms, at one level for all") {
  for (const auto& [kind, adapter] : kAdapters) {
    for (const NoiseLevel& level : kLevels) {
      INFO(kind << " at " << level.alpha << ", " << level.sigma);
      const Tensor x = affine(noise(4), level.alpha + level.sigma);
      check(kind, adapter(kNetwork, {})(x, std::vector{level}), x, std::vector{level});
    }
  }
}

TEST_CASE("adapters: a level a sample is that level for the sample alone") {
  const std::int64_t n = static_cast<std::int64_t>(kLevels.size());
  const Tensor x = noise(n);
  for (const auto& [kind, adapter] : kAdapters) {
    INFO(kind);
    const Denoiser denoise = adapter(kNetwork, {});
    const Prediction all = denoise(x, kLevels);
    check(kind, all, x, kLevels);
    for (std::int64_t i = 0; i < n; ++i) {
      const Prediction one = denoise(x.rows(i, 1), std::vector{kLevels[static_cast<std::size_t>(i)]});
      CHECK(equal(one.x0, all.x0.rows(i, 1)));
      CHECK(equal(one.eps, all.eps.rows(i, 1)));
    }
    const Prediction repeated = denoise(x, std::vector<NoiseLevel>(static_cast<std::size_t>(n), kLevels[1]));
    const Prediction once = denoise(x, std::vector{kLevels[1]});
    CHECK(equal(repeated.x0, once.x0));
    CHECK(equal(repeated.eps, once.eps));
  }
}

TEST_CASE("adapters: scaling x and its level changes neither x0 nor eps") {
  for (const auto& [kind, adapter] : kAdapters) {
    const Denoiser denoise = adapter(kNetwork, {});
    for (const NoiseLevel& level : kLevels) {
      const Tensor x = affine(noise(4), level.alpha + level.sigma);
      for (const double k : {0.03, 1 / level.alpha, 17.0, 1e4}) {
        INFO(kind << " at " << level.alpha << ", " << level.sigma << " times " << k);
        const NoiseLevel scaled{level.t, k * level.alpha, k * level.sigma};
        check(kind, denoise(affine(x, k), std::vector{scaled}), x, std::vector{level});
      }
    }
  }
}

TEST_CASE("adapters: the network sees x at its own scale, t of each sample, and the condition") {
  const Tensor labels = Tensor::from({std::int64_t{4}, std::int64_t{5}}, {2});
  Tensor seen, seen_t;
  const Network looks = [&](const Tensor& x, const Tensor& t, const Condition& condition) {
    seen = x, seen_t = t;
    REQUIRE(condition.size() == 1);
    CHECK(condition[0].first == "class_labels");
    CHECK(condition[0].second.integers()[1] == 5);
    return x;
  };
  const std::vector<NoiseLevel> levels{{7.5, 1, std::sqrt(3.0)}, {250, 6, 8}};
  const Tensor x = Tensor::full({2, 3}, 30);
  for (const auto& [kind, adapter] : kAdapters) {
    adapter(looks, {{"class_labels", labels}})(x, levels);
    const bool flow = kind == std::string("flow"), edm = kind == std::string("edm");
    const double first = edm ? 30 / std::hypot(std::sqrt(3.0), 0.7) : flow ? 30 / (1 + std::sqrt(3.0)) : 15;
    const double second = edm ? 5 / std::hypot(8.0 / 6, 0.7) : flow ? 30.0 / 14 : 3;  // c_in x at alpha = 1
    CHECK(static_cast<double>(seen.values()[0]) == Approx(first).epsilon(1e-6));
    CHECK(static_cast<double>(seen.values()[3]) == Approx(second).epsilon(1e-6));
    CHECK(seen_t.shape() == Shape{2});
    CHECK(seen_t.values()[0] == 7.5f);
    CHECK(seen_t.values()[1] == 250);
  }
  from_v(looks, {{"class_labels", labels}})(x, std::vector{levels[1]});
  CHECK(seen_t.shape() == Shape{2});
  CHECK(seen_t.values()[0] == 250);
}

TEST_CASE("adapters: the ends of the path, pure noise and pure sample") {
  const Tensor x = noise(2);
  const std::vector<NoiseLevel> pure_noise{{1, 0, 1}}, pure_sample{{0, 1, 0}};
  for (const auto& [kind, adapter] : kAdapters) {
    INFO(kind);
    const Denoiser denoise = adapter(kNetwork, {});
    if (kind == std::string("edm")) continue;  // its own formula has no ends
    check(kind, denoise(x, pure_sample), x, pure_sample);
    if (adapter == kAdapters[0].adapter) continue;
    check(kind, denoise(x, pure_noise), x, pure_noise);
  }
  const Prediction p = from_x0(kNetwork)(x, pure_sample);
  CHECK(std::ranges::all_of(p.eps.values(), [](float v) { return v == 0; }));
}

TEST_CASE("adapters: at the ends of the path an EDM network's x0 is x, and its output") {
  const Tensor x = noise(2);
  const Denoiser denoise = from_edm(kNetwork, {}, {.sigma_data = 0.7}), negative = from_edm(kNetwork, {}, {0.7, true});
  const Prediction clean = denoise(x, std::vector<NoiseLevel>{{0, 1, 0}}), noisy = denoise(x, std::vector<NoiseLevel>{{1, 0, 1}});
  const Prediction other = negative(x, std::vector<NoiseLevel>{{1, 0, 1}});
  for (std::size_t i = 0; i < x.values().size(); ++i) {
    const auto v = static_cast<double>(x.values()[i]);
    CHECK(static_cast<double>(clean.x0.values()[i]) == Approx(v).epsilon(1e-6));
    CHECK(static_cast<double>(noisy.x0.values()[i]) == Approx(0.7 * raw(v, 1)).epsilon(1e-6));
    CHECK(noisy.eps.values()[i] == x.values()[i]);
    CHECK(other.x0.values()[i] == -noisy.x0.values()[i]);
  }
  CHECK_THROWS_WITH(from_edm(kNetwork, {}, {.sigma_data = 0}), Catch::Contains("sigma_data") && Catch::Contains("got 0"));
}

TEST_CASE("adapters: a noise prediction at alpha 0 is an Error, also of one sample among others") {
  const Tensor x = noise(2);
  CHECK_THROWS_WITH(from_eps(kNetwork)(x, std::vector<NoiseLevel>{{1, 0, 1}}), Catch::Contains("alpha = 0"));
  CHECK_THROWS_AS(from_eps(kNetwork)(x, std::vector<NoiseLevel>{{0.5, 0.6, 0.8}, {1, 0, 1}}), Error);
}

TEST_CASE("adapters: twice the channels are the output and the variance, other numbers an Error") {
  const std::vector<NoiseLevel> levels{{0.3, 0.8, 0.6}};
  const Tensor x = noise(2), extra = philox_noise(5).normal(x.shape(), kInitialNoise);
  const Network wide = [&](const Tensor& in, const Tensor& t, const Condition& c) {
    return concat(kNetwork(in, t, c), extra);
  };
  const Network odd = [&](const Tensor& in, const Tensor&, const Condition&) { return slice(in, 0, 1); };
  for (const auto& [kind, adapter] : kAdapters) {
    const Prediction p = adapter(wide, {})(x, levels);
    check(kind, p, x, levels);
    CHECK(equal(p.variance, extra));
    CHECK(!adapter(kNetwork, {})(x, levels).variance.defined());
    CHECK_THROWS_WITH(adapter(odd, {})(x, levels),
                      Catch::Contains(std::string("from_") + kind) && Catch::Contains("1 channels"));
  }
}

TEST_CASE("adapters: a level of nothing, or of no numbers, is an Error that names the adapter") {
  const Tensor x = noise(2);
  const double nan = std::nan(""), infinity = HUGE_VAL;
  for (const auto& [kind, adapter] : kAdapters) {
    for (const NoiseLevel& bad :
         {NoiseLevel{1, 0, 0}, NoiseLevel{1, nan, 1}, NoiseLevel{1, 1, nan}, NoiseLevel{1, 1, infinity}}) {
      CHECK_THROWS_WITH(adapter(kNetwork, {})(x, std::vector{kLevels[1], bad}),
                        Catch::Contains(std::string("from_") + kind));
    }
  }
}

TEST_CASE("adapters: levels that are neither one nor one a sample are an Error") {
  const Tensor x = noise(3);
  for (const auto& [kind, adapter] : kAdapters) {
    const Denoiser denoise = adapter(kNetwork, {});
    CHECK_THROWS_WITH(denoise(x, std::vector<NoiseLevel>(2, kLevels[1])), Catch::Contains("got 2"));
    CHECK_THROWS_AS(denoise(x, {}), Error);
  }
}

TEST_CASE("adapters: derivatives flow through them, for guidance by a gradient") {
  const Network halves = [](const Tensor& x, const Tensor&, const Condition&) { return affine(x, 0.5); };
  const Tensor x = noise(1).variable();
  const auto g = gradients(sum(from_v(halves)(x, std::vector<NoiseLevel>{{0, 6, 8}}).x0), {x});
  // At the network's scale x / 10, alpha 0.6, sigma 0.8: x0 = (0.6 - 0.8 / 2) x / 10.
  for (const float v : g[0].values()) CHECK(static_cast<double>(v) == Approx(0.02).epsilon(1e-6));
}
