#include <cmath>

#include "eddy/eddy.hpp"
#include "support/catch.hpp"
#include "train/snr_weight.hpp"

using namespace eddy;

namespace {

const Network zero = [](const Tensor& x, const Tensor&, const Condition&) { return Tensor::zeros(x.shape()); };

// Loss of a network that says zero, on x0 = 0.5 and eps = 2, at one timestep.
double loss_at(const Schedule& schedule, const ObjectiveOptions& options, int t) {
  const Shape shape{1, 2, 2, 1};
  const Loss loss = objective(schedule, options);
  const Draw draw{.total = 1, .levels = {schedule.level(t)}};
  return static_cast<double>(
      loss(zero, {.x = Tensor::full(shape, 0.5f), .eps = Tensor::full(shape, 2)}, draw).item());
}

}  // namespace

TEST_CASE("objective: targets of the three kinds") {
  const Schedule s = linear_schedule(1000);
  const NoiseLevel l = s.level(400);
  CHECK(loss_at(s, {.prediction = PredictionType::epsilon}, 400) == Approx(4));
  CHECK(loss_at(s, {.prediction = PredictionType::sample}, 400) == Approx(0.25));
  CHECK(loss_at(s, {.prediction = PredictionType::v_prediction}, 400) == Approx(std::pow(l.alpha * 2 - l.sigma * 0.5, 2)));
}

TEST_CASE("objective: min-SNR weighs the error in x0 by min(SNR, 5), whatever the target") {
  const Schedule s = linear_schedule(1000);
  for (const int t : {50, 400, 900}) {
    const double snr = s.snr(t), least = std::min(snr, 5.0);
    const auto ratio = [&](PredictionType p) {
      return loss_at(s, {.prediction = p, .weighting = Weighting::min_snr}, t) / loss_at(s, {.prediction = p}, t);
    };
    CHECK(ratio(PredictionType::epsilon) == Approx(least / snr).epsilon(1e-5));
    CHECK(ratio(PredictionType::sample) == Approx(least).epsilon(1e-5));
    CHECK(ratio(PredictionType::v_prediction) == Approx(least / (snr + 1)).epsilon(1e-5));
  }
}

TEST_CASE("objective: min-SNR in double, from how far an error in the target moves x0") {
  const Schedule s = cosine_schedule(1000);
  for (int t = 0; t < 1000; ++t) {
    // x0 = (x - sigma eps) / alpha = alpha x - sigma v
    const double alpha = s.alpha(t), sigma = s.sigma(t), least = std::min(alpha * alpha / (sigma * sigma), 5.0);
    const auto check = [&](PredictionType p, double moved) {
      CHECK(std::abs(snr_weight(p, s.snr(t), 5) / (least * moved * moved) - 1) < 1e-10);
    };
    check(PredictionType::epsilon, sigma / alpha);
    check(PredictionType::sample, 1);
    check(PredictionType::v_prediction, sigma);
  }
}

TEST_CASE("objective: SNR weighs the error in x0 by the SNR, which is 1 for the noise") {
  const Schedule s = linear_schedule(1000);
  for (const int t : {0, 50, 900}) {
    const auto ratio = [&](PredictionType p) {
      return loss_at(s, {.prediction = p, .weighting = Weighting::snr}, t) / loss_at(s, {.prediction = p}, t);
    };
    CHECK(ratio(PredictionType::epsilon) == Approx(1).epsilon(1e-6));
    CHECK(ratio(PredictionType::sample) == Approx(s.snr(t)).epsilon(1e-6));
    CHECK(ratio(PredictionType::v_prediction) == Approx(s.snr(t) / (s.snr(t) + 1)).epsilon(1e-6));
  }
}

TEST_CASE("objective: where the SNR is 0 the weight is 1, and noise prediction is refused") {
  const Schedule s = zero_terminal_snr(linear_schedule(1000));
  CHECK(loss_at(s, {.prediction = PredictionType::v_prediction, .weighting = Weighting::min_snr}, 999) == Approx(0.25));
  CHECK(loss_at(s, {.prediction = PredictionType::sample, .weighting = Weighting::snr}, 999) == Approx(0.25));
  CHECK_THROWS_WITH(objective(s), Catch::Contains("SNR is 0"));
  const ObjectiveOptions no_limit{.weighting = Weighting::min_snr, .min_snr_gamma = 0};
  CHECK_THROWS_WITH(objective(linear_schedule(10), no_limit), Catch::Contains("min_snr_gamma"));
}

TEST_CASE("quantiles: one in each stratum of the step, over micro-batches, or those that are given") {
  std::vector<double> all;
  for (std::int64_t first = 0; first < 16; first += 4) {
    const auto part = quantiles({.seed = 3, .step = 9, .first = first, .total = 16}, 4);
    all.insert(all.end(), part.begin(), part.end());
  }
  for (int i = 0; i < 16; ++i) {
    CHECK(all[static_cast<std::size_t>(i)] >= i / 16.0);
    CHECK(all[static_cast<std::size_t>(i)] < (i + 1) / 16.0);
  }
  CHECK(all == quantiles({.seed = 3, .step = 9, .total = 16}, 16));
  CHECK(all != quantiles({.seed = 3, .step = 10, .total = 16}, 16));
  CHECK(quantiles({.total = 16, .quantiles = {0.5}}, 1) == std::vector{0.5});
}

TEST_CASE("objective: every timestep of a schedule is drawn, each from its share of the quantiles") {
  const Schedule s = linear_schedule(50);
  const Loss loss = objective(s, {.prediction = PredictionType::v_prediction});
  std::vector<float> told;
  const Network network = [&](const Tensor& x, const Tensor& t, const Condition&) {
    told.assign(t.values().begin(), t.values().end());
    return Tensor::zeros(x.shape());
  };
  const Shape shape{50, 1};
  loss(network, {.x = Tensor::zeros(shape)}, {.seed = 1, .total = 50});
  for (std::size_t i = 0; i < 50; ++i) CHECK(told[i] == static_cast<float>(i));
}

TEST_CASE("objective: flow, preconditioning and other conditions need no other trainer") {
  const Shape shape{2, 3};
  const Tensor x0 = Tensor::full(shape, 0.5f), eps = Tensor::full(shape, 2), text = Tensor::full({2, 7, 4}, 9);
  Tensor seen, told, read;
  const Network half = [&](const Tensor& x, const Tensor& t, const Condition& condition) {
    seen = x, told = t;
    REQUIRE(condition.size() == 1);
    CHECK(condition[0].first == "encoder_hidden_states");
    read = condition[0].second;
    return Tensor::full(x.shape(), 0.5f);
  };
  const Batch batch{.x = x0, .condition = {{"encoder_hidden_states", text}}, .eps = eps};

  Objective flow;
  flow.level = [](double q) { return NoiseLevel{q, 1 - q, q}; };
  flow.target = [](const NoiseLevel& l) { return LevelTarget{.c_noise = l.t, .of_x0 = -1, .of_eps = 1}; };
  const Tensor of_flow = objective(flow)(half, batch, {.total = 2, .quantiles = {0.25, 0.75}});
  CHECK(static_cast<double>(seen.values()[0]) == Approx(0.75 * 0.5 + 0.25 * 2));
  CHECK(static_cast<double>(seen.values()[3]) == Approx(0.25 * 0.5 + 0.75 * 2));
  CHECK(told.values()[1] == 0.75f);
  CHECK(read.values()[0] == 9);
  CHECK(static_cast<double>(of_flow.values()[1]) == Approx(std::pow(0.5 - 1.5, 2)));

  // EDM at sigma: the loss is the squared error of c_skip x + c_out F(c_in x) times (sigma^2 + d^2) / (sigma d)^2.
  constexpr double d = 0.5, sigma = 3;
  const double total = sigma * sigma + d * d, skip = d * d / total, out = sigma * d / std::sqrt(total);
  Objective edm;
  edm.level = [](double) { return NoiseLevel{sigma, 1, sigma}; };
  edm.target = [&](const NoiseLevel& l) {
    return LevelTarget{1 / std::sqrt(total), std::log(l.sigma) / 4, (1 - skip) / out, -skip * l.sigma / out, 1};
  };
  const Tensor of_edm = objective(edm)(half, batch, {.total = 2});
  const double x = 0.5 + sigma * 2, denoised = skip * x + out * 0.5;
  const double expected = total / std::pow(sigma * d, 2) * std::pow(denoised - 0.5, 2);
  CHECK(static_cast<double>(seen.values()[5]) == Approx(x / std::sqrt(total)));
  CHECK(static_cast<double>(told.values()[0]) == Approx(std::log(3.0) / 4));
  CHECK(static_cast<double>(of_edm.values()[0]) == Approx(expected).epsilon(1e-5));

  CHECK_THROWS_WITH(objective(flow)(half, batch, {.total = 2, .quantiles = {0.5}}), Catch::Contains("a level a sample (2)"));
  CHECK_THROWS_AS(objective(Objective{}), Error);
}

namespace {

double bound(const Schedule& s, double x0, double x, double predicted, double v, int t, bool eight_bit) {
  const Shape shape{1, 1};
  const auto full = [&](double value) { return Tensor::full(shape, static_cast<float>(value)); };
  return static_cast<double>(variational_bound(s, full(x0), full(x), full(predicted), full(v), std::vector{t}, eight_bit).item());
}

}  // namespace

TEST_CASE("variational bound: zero for the true posterior, the closed form of the divergence otherwise") {
  const Schedule s = cosine_schedule(1000);
  CHECK(bound(s, 0.3, 0.1, 0.3, -1, 500, true) == Approx(0).margin(1e-6));
  const int t = 100;
  const double small = s.beta(t) * s.one_minus_alpha_bar(t - 1) / s.one_minus_alpha_bar(t), v = 0.4;
  const double log_w = (1 + v) / 2 * std::log(s.beta(t)) + (1 - v) / 2 * std::log(small);
  const double shift = std::sqrt(s.alpha_bar(t - 1)) * s.beta(t) / s.one_minus_alpha_bar(t) * (0.3 - -0.2);
  const double nats = 0.5 * (log_w - std::log(small) + small / std::exp(log_w) - 1 + shift * shift / std::exp(log_w));
  CHECK(bound(s, 0.3, 0.1, -0.2, v, t, true) == Approx(nats / std::log(2.0)).epsilon(1e-5));
}

TEST_CASE("variational bound: the last step reads out 256 levels, or a density") {
  const Schedule s = linear_schedule(1000);
  // The masses of all 256 levels make 1.
  double mass = 0;
  for (int k = 0; k < 256; ++k) mass += std::exp2(-bound(s, k / 127.5 - 1, 0.1, 0.1, 0.5, 0, true));
  CHECK(mass == Approx(1).epsilon(2e-3));  // float32 values, 1 - 2 e-3 by levels of almost no mass
  const double small = s.beta(1) * s.one_minus_alpha_bar(0) / s.one_minus_alpha_bar(1);
  const double log_w = 0.75 * std::log(s.beta(0)) + 0.25 * std::log(small);
  const double nats = 0.5 * (std::log(2 * 3.14159265358979) + log_w + 0.01 * 0.01 / std::exp(log_w));
  CHECK(bound(s, 0.11, 0.1, 0.1, 0.5, 0, false) == Approx(nats / std::log(2.0)).epsilon(1e-4));
}

TEST_CASE("variational bound: its derivative is the difference quotient") {
  const Schedule s = linear_schedule(1000);
  for (const int t : {0, 1, 300}) {
    for (const bool eight_bit : {false, true}) {
      for (const double x0 : {-1.0, 0.2, 1.0}) {
        const Shape shape{1, 1};
        const auto full = [&](double value) { return Tensor::full(shape, static_cast<float>(value)); };
        const Tensor v = full(0.25).variable();
        const Tensor value = sum(variational_bound(s, full(x0), full(x0 * 0.99), full(x0 * 0.98), v, std::vector{t}, eight_bit));
        const double slope = static_cast<double>(gradients(value, {v})[0].item());
        const double h = 0.0625;
        const double quotient = (8 * (bound(s, x0, x0 * 0.99, x0 * 0.98, 0.25 + h, t, eight_bit) - bound(s, x0, x0 * 0.99, x0 * 0.98, 0.25 - h, t, eight_bit)) -
                                 (bound(s, x0, x0 * 0.99, x0 * 0.98, 0.25 + 2 * h, t, eight_bit) - bound(s, x0, x0 * 0.99, x0 * 0.98, 0.25 - 2 * h, t, eight_bit))) /
                                (12 * h);
        INFO("t " << t << " x0 " << x0 << " eight_bit " << eight_bit);
        CHECK(slope == Approx(quotient).epsilon(2e-3).margin(2e-5));
      }
    }
  }
}

TEST_CASE("objective: min-SNR weighs the squared error of a network with a learned range, and not its bound") {
  const Schedule s = cosine_schedule(1000);
  const Network network = [](const Tensor& x, const Tensor&, const Condition&) { return Tensor::full({1, 2, 2, 2 * x.extent(3)}, 0.1f); };
  const Batch batch{.x = Tensor::full({1, 2, 2, 1}, 0.5f), .eps = Tensor::full({1, 2, 2, 1}, 2)};
  const auto value = [&](Weighting weighting, bool learned) {
    const Network plain = [](const Tensor& x, const Tensor&, const Condition&) { return Tensor::full(x.shape(), 0.1f); };
    const Loss loss = objective(s, {.weighting = weighting, .learned_range = learned});
    return static_cast<double>(loss(learned ? network : plain, batch, {.total = 1, .levels = {s.level(100)}}).item());
  };
  const double bound = value(Weighting::mse, true) - value(Weighting::mse, false);
  CHECK(bound > 0);
  CHECK(value(Weighting::min_snr, false) < 0.9 * value(Weighting::mse, false));
  CHECK(value(Weighting::min_snr, true) - value(Weighting::min_snr, false) == Approx(bound).epsilon(1e-3));
}

TEST_CASE("objective: hybrid asks for twice the channels, and its bound leaves the mean alone") {
  const Schedule s = cosine_schedule(1000);
  const Loss loss = objective(s, {.learned_range = true});
  const Batch batch{.x = Tensor::full({1, 2, 2, 1}, 0.5f), .eps = Tensor::full({1, 2, 2, 1}, 2)};
  const Draw draw{.total = 1, .levels = {s.level(400)}};
  CHECK_THROWS_WITH(loss(zero, batch, draw), Catch::Contains("2 channels"));
  const Tensor out = Tensor::full({1, 2, 2, 2}, 0.1f).variable();
  const Network network = [&](const Tensor&, const Tensor&, const Condition&) { return out; };
  const Tensor g = gradients(sum(loss(network, batch, draw)), {out})[0];
  CHECK(static_cast<double>(g.values()[0]) == Approx(2 * (0.1 - 2) / 4).epsilon(1e-5));  // of the squared error alone
  CHECK(g.values()[1] != 0);
}
