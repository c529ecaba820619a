#include "nn/initialise.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

constexpr std::size_t kMany = 100000;

std::vector<float> filled(Initializer initializer, std::uint64_t seed, const std::string& name, std::size_t n = kMany) {
  std::vector<float> values(n, 1e30f);
  fill(values, initializer, seed, name);
  return values;
}

struct Moments {
  double mean = 0, variance = 0, least = 1e30, most = -1e30, below_quarter = 0;
};

Moments moments(const std::vector<float>& values, double quarter) {
  Moments m;
  const double n = static_cast<double>(values.size());
  for (const float value : values) {
    const double v = static_cast<double>(value);
    m.mean += v / n;
    m.variance += v * v / n;
    m.least = std::min(m.least, v);
    m.most = std::max(m.most, v);
    m.below_quarter += v < quarter ? 1 / n : 0;
  }
  m.variance -= m.mean * m.mean;
  return m;
}

// Values by name of a small model; the order of its layers as asked.
std::map<std::string, std::vector<float>> model(bool reversed, std::uint64_t seed,
                                                Initialisation style = Initialisation::paper) {
  const ParameterTree tree(style);
  const auto conv = [&] { return Conv2d(tree.in("conv"), 3, 4); };
  const auto dense = [&] { return Linear(tree.in("dense"), 8, 4); };
  if (reversed) {
    dense(), conv();
  } else {
    conv(), dense();
  }
  tree.allocate();
  tree.initialise(seed);
  std::map<std::string, std::vector<float>> result;
  for (const Parameter& p : tree.parameters())
    result[p.name()] = {p.value().values().begin(), p.value().values().end()};
  return result;
}

}  // namespace

TEST_CASE("initialisers: uniform keeps its bounds, mean 0 and variance a^2 / 3") {
  for (const double scale : {1.0, 0.05, 3.0}) {
    const Moments m = moments(filled({Initializer::Kind::uniform, scale}, 1, "w"), -scale / 2);
    const double deviation = scale / std::sqrt(3.0), n = static_cast<double>(kMany);
    CHECK(m.least >= -scale);
    CHECK(m.least < -0.999 * scale);
    CHECK(m.most <= scale);
    CHECK(m.most > 0.999 * scale);
    CHECK(std::abs(m.mean) < 5 * deviation / std::sqrt(n));
    CHECK(m.variance == Approx(scale * scale / 3).epsilon(5 * std::sqrt(0.8 / n)));
    CHECK(m.below_quarter == Approx(0.25).margin(5 * std::sqrt(0.1875 / n)));
  }
}

TEST_CASE("initialisers: normal has mean 0 and its deviation, zeros and ones are that") {
  const double n = static_cast<double>(kMany), quartile = -0.6744897501960817;
  const Moments m = moments(filled({Initializer::Kind::normal, 0.02}, 1, "w"), 0.02 * quartile);
  CHECK(std::abs(m.mean) < 5 * 0.02 / std::sqrt(n));
  CHECK(m.variance == Approx(0.0004).epsilon(5 * std::sqrt(2 / n)));
  CHECK(m.below_quarter == Approx(0.25).margin(5 * std::sqrt(0.1875 / n)));
  CHECK(m.most > 0.07);
  CHECK(filled({Initializer::Kind::zeros}, 1, "w", 3) == std::vector<float>(3, 0));
  CHECK(filled({Initializer::Kind::ones}, 1, "w", 3) == std::vector<float>(3, 1));
}

TEST_CASE("initialisers: an element is a function of (seed, name, element)") {
  for (const auto kind : {Initializer::Kind::uniform, Initializer::Kind::normal}) {
    const Initializer initializer{kind, 1};
    const auto values = filled(initializer, 7, "a.weight", 1000);
    CHECK(values == filled(initializer, 7, "a.weight", 1000));
    const auto fewer = filled(initializer, 7, "a.weight", 13);
    CHECK(std::ranges::equal(fewer, std::span(values).first(13)));
    for (const auto& other : {filled(initializer, 8, "a.weight", 1000), filled(initializer, 7, "b.weight", 1000)}) {
      double product = 0;
      for (std::size_t i = 0; i < 1000; ++i) product += static_cast<double>(values[i]) * other[i];
      CHECK(std::abs(product) / 1000 < 5 / std::sqrt(1000.0));
      CHECK(other[0] != values[0]);
    }
  }
}

TEST_CASE("initialisers: a name has the same values whatever else is in the tree, and in which order") {
  for (const Initialisation style : {Initialisation::paper, Initialisation::torch}) {
    CHECK(model(false, 3, style) == model(true, 3, style));
    CHECK(model(false, 3, style).at("conv.weight") != model(false, 4, style).at("conv.weight"));
  }
}

TEST_CASE("initialisers: the paper's style is variance 1 / mean(fan in, fan out), zero biases and zero last layers") {
  const ParameterTree tree;
  const Initializer weight = weight_initializer(tree, 30, 10);
  CHECK(weight.kind == Initializer::Kind::uniform);
  CHECK(weight.scale * weight.scale / 3 == Approx(1.0 / 20));
  CHECK(weight_initializer(tree, 30, 10, true).kind == Initializer::Kind::zeros);
  CHECK(bias_initializer(tree, 30).kind == Initializer::Kind::zeros);
}

TEST_CASE("initialisers: PyTorch's style is uniform within 1 / sqrt(fan in), biases and last layers too") {
  const ParameterTree tree(Initialisation::torch);
  CHECK(tree.in("a").style() == Initialisation::torch);
  for (const Initializer each :
       {weight_initializer(tree, 30, 10), weight_initializer(tree, 30, 10, true), bias_initializer(tree, 30)}) {
    CHECK(each.kind == Initializer::Kind::uniform);
    CHECK(each.scale == Approx(1 / std::sqrt(30.0)));
  }
}
