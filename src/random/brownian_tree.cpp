// The Brownian tree of torchsde on the CPU, bit for bit [Li2020, 4; Kidger2021, 4].
//
// W over [low, high] is sqrt(high - low) z; the interval is halved, and halved again, until the levels that are asked about are
// ends. With m the middle of [s, e], rounded to 1e-6:
//   W(s, m) = (m - s) W(s, e) / (e - s) + sqrt((m - s) (e - m) / (e - s)) z,   W(m, e) = W(s, e) - W(s, m)
// z of each node comes from a generator seeded by SeedSequence(entropy, key of the node, pool_size=24). What lies between two
// levels is the sum of the largest nodes between them, in order. torchsde keeps 45 increments; here each question begins
// at the root, with the same result, and long ones are answered in pieces, whose generators go on from one to the next.
#include <algorithm>
#include <cmath>
#include <deque>
#include <string>

#include "eddy/error.hpp"
#include "random/torch_generator.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr int kPoolSize = 24;
constexpr std::size_t kPiece = 4096;  // a multiple of 16, of which torch draws blocks

// Python's round(x, 6): x 1e6 as an exact sum of two numbers, to the nearest integer, a half to the even one.
double rounded(double x) {
  const double product = x * 1e6, rest = std::fma(x, 1e6, -product);
  double n = std::nearbyint(product);
  const double off = (product - n) + rest;
  if (off > 0.5 || (off == 0.5 && std::fmod(n, 2) != 0)) n += 1;
  if (off < -0.5 || (off == -0.5 && std::fmod(n, 2) != 0)) n -= 1;
  return n / 1e6;
}

}  // namespace

struct TorchBrownianTree::Node {
  double start, end;
  std::uint64_t key, depth;
};

struct TorchBrownianTree::Query {
  std::uint64_t entropy;
  TorchVariant variant;
  std::deque<TorchGenerator::State> generators{};  // of the nodes, in the order of the visit
  std::span<float> sum{};                          // of the piece
  std::vector<float> z{};
  std::size_t drawn = 0;  // nodes of the piece
  bool empty = true;

  void begin(std::span<float> piece) {
    sum = piece;
    z.resize(piece.size());
    drawn = 0;
    empty = true;
  }

  // The node's normals, to z.
  void draw(std::span<const std::uint64_t> place) {
    if (drawn == generators.size()) generators.emplace_back(seed_sequence(entropy, place, kPoolSize, 1)[0], variant);
    generators[drawn++].randn(z);
  }

  void add(std::span<const float> w) {
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = empty ? w[i] : sum[i] + w[i];
    empty = false;
  }
};

TorchBrownianTree::TorchBrownianTree(std::uint64_t entropy, double low, double high, TorchVariant variant)
    : entropy_(entropy), low_(rounded(low)), high_(rounded(high)), scale_(std::sqrt(high - low)), variant_(variant) {
  if (!(low >= 0 && low_ < high_ && high < 0x1p32)) {
    throw Error("Brownian tree: needs 0 <= low < high < 2^32 that differ by 1e-6, got " + std::to_string(low) + " and " +
                std::to_string(high));
  }
}

void TorchBrownianTree::visit(const Node& node, std::vector<float> w, double from, double to, Query& query) const {
  if (from == node.start && to == node.end) return query.add(w);
  const double middle = rounded(0.5 * (node.end + node.start)), left = middle - node.start, right = node.end - middle;
  const double inverse = 1 / (node.end - node.start);
  const std::uint64_t place[] = {node.key, node.depth};
  query.draw(place);
  const auto by_left = static_cast<float>(left), by_inverse = static_cast<float>(inverse);
  const auto deviation = static_cast<float>(std::sqrt(left * right * inverse));
  const auto left_of = [&](std::size_t i) { return by_left * w[i] * by_inverse + deviation * query.z[i]; };
  std::vector<float> behind;
  if (to > middle) behind.resize(w.size());
  for (std::size_t i = 0; i < w.size(); ++i) {
    const float l = left_of(i);
    if (to > middle) behind[i] = w[i] - l;
    w[i] = l;
  }
  if (from < middle) {
    visit({node.start, middle, 2 * node.key, node.depth + 1}, std::move(w), from, std::min(to, middle), query);
  }
  if (to > middle) {
    visit({middle, node.end, 2 * node.key + 1, node.depth + 1}, std::move(behind), std::max(from, middle), to, query);
  }
}

void TorchBrownianTree::increment(double from, double to, std::span<float> out) const {
  if (!std::isfinite(from) || !std::isfinite(to)) throw Error("Brownian tree: the levels must be finite");
  const bool back = from > to;
  const double a = rounded(std::clamp(std::min(from, to), low_, high_)), b = rounded(std::clamp(std::max(from, to), low_, high_));
  std::ranges::fill(out, 0.0f);
  if (a == b) return;
  Query query{entropy_, variant_};
  for (std::size_t at = 0; at < out.size(); at += query.sum.size()) {
    const std::size_t rest = out.size() - at;
    query.begin(out.subspan(at, rest < 2 * kPiece ? rest : kPiece));  // the last is no shorter than a block
    query.draw({});
    std::vector<float> w = query.z;
    for (float& value : w) value *= static_cast<float>(scale_);
    visit({low_, high_, 0, 0}, std::move(w), a, b, query);
  }
  for (float& value : out) value = back ? -value : value;
}

}  // namespace eddy::inline v0_1
