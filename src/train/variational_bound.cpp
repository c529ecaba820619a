// Terms of the variational bound, in which the variance alone learns.
//
//   ln w = (1 + v) / 2 ln beta + (1 - v) / 2 ln beta~                                     [Nichol2021, Eq. 15]
//   t > 0:  KL(N(mu~, beta~) || N(mu, w)) = ((mu~ - mu)^2 + beta~) / (2 w) - 1/2 + (ln w - ln beta~) / 2
//   t = 0:  -ln of the mass that N(mu, w) gives to x0's interval of 8 bits (ends reach to infinity) [Ho2020, Eq. 13],
//           or of its density at x0
//
// All over ln 2: bits. beta~ of t = 0 is 0; its logarithm is taken from t = 1, as iDDPM does. The normal's distribution
// function is exact here, where iDDPM takes a tanh near it.
#include <cmath>

#include "eddy/error.hpp"
#include "eddy/train.hpp"
#include "ops/support.hpp"

namespace eddy::inline v0_1 {

namespace {

struct Term {
  bool first;                 // t = 0
  double of_x0, of_x;         // posterior mean
  double small, log_small, half_width;  // beta~, ln beta~ and (ln beta - ln beta~) / 2
};

struct Bound {
  Tensor x0, x, predicted;
  std::vector<Term> terms;
  bool eight_bit;
};

Term term_of(const Schedule& s, int t) {
  const auto small = [&s](int i) { return s.beta(i) * s.one_minus_alpha_bar(i - 1) / s.one_minus_alpha_bar(i); };
  const double before = t > 0 ? s.alpha_bar(t - 1) : 1, rest = t > 0 ? s.one_minus_alpha_bar(t - 1) : 0;
  const double beta_small = small(t > 0 ? t : 1);
  return {t == 0, std::sqrt(before) * s.beta(t) / s.one_minus_alpha_bar(t),
          std::sqrt(1 - s.beta(t)) * rest / s.one_minus_alpha_bar(t), beta_small, std::log(beta_small),
          (std::log(s.beta(t)) - std::log(beta_small)) / 2};
}

struct Value {
  double nats, slope;  // and its derivative in ln w
};

Value divergence(double difference, double small, double log_small, double log_w) {
  const double part = (difference * difference + small) * std::exp(-log_w) / 2;
  return {part - 0.5 + (log_w - log_small) / 2, 0.5 - part};
}

Value density(double difference, double log_w) {
  const double part = difference * difference * std::exp(-log_w) / 2;
  return {part + (log_w + std::log(2 * 3.14159265358979323846)) / 2, 0.5 - part};
}

Value eight_bit_mass(double x0, double mean, double log_w) {
  const double inverse = std::exp(-log_w / 2);
  const auto cdf = [](double z) { return std::erfc(-z / std::sqrt(2.0)) / 2; };
  const auto pdf = [](double z) { return std::exp(-z * z / 2) / std::sqrt(2 * 3.14159265358979323846); };
  const bool low = x0 < -0.999, high = x0 > 0.999;
  const double below = (x0 - 1.0 / 255 - mean) * inverse, above = (x0 + 1.0 / 255 - mean) * inverse;
  // Tails are taken on the side where the function is small.
  const double mass = low ? cdf(above) : high ? cdf(-below) : below > 0 ? cdf(-below) - cdf(-above) : cdf(above) - cdf(below);
  if (mass < 1e-12) return {-std::log(1e-12), 0};
  const double slope = (low ? 0 : pdf(below) * below) - (high ? 0 : pdf(above) * above);  // of the mass in ln(1/sqrt w), negated
  return {-std::log(mass), -slope / 2 / mass};
}

// Calls body(sample, element, value and slope in v), in nats.
template <class Body>
void each(const Bound& b, const Tensor& v, const Body& body) {
  const std::int64_t n = v.extent(0), row = v.elements() / n;
  for (std::int64_t i = 0; i < n; ++i) {
    const Term& term = b.terms[static_cast<std::size_t>(i)];
    for (std::int64_t k = i * row; k < (i + 1) * row; ++k) {
      const double log_w = term.log_small + (1 + static_cast<double>(data(v)[k])) * term.half_width;
      const double x0 = data(b.x0)[k], predicted = data(b.predicted)[k];
      const double mean = term.of_x0 * predicted + term.of_x * static_cast<double>(data(b.x)[k]);
      Value value = !term.first     ? divergence(term.of_x0 * (x0 - predicted), term.small, term.log_small, log_w)
                    : b.eight_bit ? eight_bit_mass(x0, mean, log_w)
                                  : density(x0 - mean, log_w);
      body(i, k, value.nats, value.slope * term.half_width);
    }
  }
}

double bits_a_dimension(const Tensor& v) {
  return static_cast<double>(v.extent(0)) / static_cast<double>(v.elements()) / std::log(2.0);
}

Tensor forward(Call& call) {
  const Tensor v = call.input(0);
  call.keep_input(0);
  std::vector<double> sums(static_cast<std::size_t>(v.extent(0)), 0.0);
  each(call.attributes<Bound>(), v, [&](std::int64_t i, std::int64_t, double nats, double) { sums[static_cast<std::size_t>(i)] += nats; });
  Tensor result = make({v.extent(0)}, call.context());
  for (std::size_t i = 0; i < sums.size(); ++i) write(result)[i] = static_cast<float>(sums[i] * bits_a_dimension(v));
  return result;
}

void vjp(Call& call, const Tensor& gradient, std::span<Tensor> result) {
  const Tensor v = call.input(0);
  const double scale = bits_a_dimension(v);
  Tensor out = make(v.shape(), call.context());
  each(call.attributes<Bound>(), v, [&](std::int64_t i, std::int64_t k, double, double slope) {
    write(out)[k] = static_cast<float>(slope * scale * static_cast<double>(data(gradient)[i]));
  });
  result[0] = out;
}

const Operation kVariationalBound{"variational_bound", forward, vjp};

}  // namespace

Tensor variational_bound(const Schedule& schedule, const Tensor& x0, const Tensor& x, const Tensor& predicted_x0,
                         const Tensor& v, std::span<const int> timesteps, bool eight_bit) {
  for (const auto& [tensor, name] : {std::pair{&x0, "x0"}, {&x, "x"}, {&predicted_x0, "predicted_x0"}}) {
    require_shape(*tensor, v.shape(), "variational_bound", name);
  }
  require(schedule.steps() > 1 && static_cast<std::int64_t>(timesteps.size()) == v.extent(0), "variational_bound",
          [] { return std::string("needs two steps or more, and one timestep a sample"); });
  Bound bound{x0.detached(), x.detached(), predicted_x0.detached(), {}, eight_bit};
  for (const int t : timesteps) bound.terms.push_back(term_of(schedule, t));
  return apply(kVariationalBound, {v}, attributes(std::move(bound)));
}

}  // namespace eddy::inline v0_1
