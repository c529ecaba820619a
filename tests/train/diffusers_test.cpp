// Training as diffusers' scripts do it: the loop, the losses, the optimiser, the rate and the average together.
#include <cmath>

#include "eddy/eddy.hpp"
#include "pipeline/unet_config.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"
#include "support/instruction_sets.hpp"

using namespace eddy;
using eddy::test::Golden;

namespace {

constexpr std::int64_t kSteps = 20, kBatch = 4;

struct Case {
  std::string name;
  ObjectiveOptions objective;
  OptimizerOptions optimizer{};
  std::int64_t accumulate = 1;
  double rate = 0;
  RateSchedule schedule{};
  EmaOptions ema{};
};

std::vector<Case> cases() {
  // Under accelerate the script's rate spans its micro-batches, though it moves once an update.
  const RateSchedule stretched = [](std::int64_t step, std::int64_t steps) { return cosine_rate(3 * 2)(step, steps * 2); };
  Case epsilon{"epsilon", {}};
  epsilon.optimizer.beta1 = 0.95;
  epsilon.optimizer.weight_decay = 1e-6;
  epsilon.accumulate = 2;
  epsilon.rate = 1e-3;
  epsilon.schedule = stretched;
  epsilon.ema = {.update_after_step = 0, .power = 0.75};
  Case sample{"sample", {.prediction = PredictionType::sample, .weighting = Weighting::snr}};
  sample.optimizer.weight_decay = 1e-2;
  sample.rate = 1e-3;
  sample.schedule = linear_rate(4);
  sample.ema = {.decay = 0.99, .min_decay = 0.9, .update_after_step = 3};
  Case velocity{"v_prediction", {.prediction = PredictionType::v_prediction, .weighting = Weighting::min_snr}};
  velocity.optimizer.beta2 = 0.99;
  velocity.optimizer.eps = 1e-6;
  velocity.optimizer.weight_decay = 1e-2;
  velocity.accumulate = 2;
  velocity.rate = 2e-3;
  velocity.schedule = polynomial_rate(2, 2, 1e-4 / 2e-3);
  velocity.ema = {.decay = 0.999};
  return {epsilon, sample, velocity};
}

// The golden's batches and noise in place of the loader's and the seed's.
Loss replayed(const Golden& golden, const Loss& loss, const Schedule& schedule, std::int64_t accumulate, const Context& context) {
  const Tensor x = golden.tensor("x", context), eps = golden.tensor("noise", context), t = golden.tensor("t");
  return [=](const Network& network, const Batch&, const Draw& draw) {
    const std::int64_t k = static_cast<std::int64_t>(draw.step) * accumulate + draw.first / kBatch;
    const auto part = [&](const Tensor& all) { return all.rows(k, 1).viewed({kBatch, 8, 8, 1}); };
    Draw own{.total = draw.total};
    for (const std::int64_t each : t.integers().subspan(static_cast<std::size_t>(k * kBatch), kBatch)) {
      own.levels.push_back(schedule.level(static_cast<int>(each)));
    }
    return loss(network, {.x = part(x), .eps = part(eps)}, own);
  };
}

// |a - b| / |b| over the parameters of a golden's group. The gradient of to_k.bias is zero in exact arithmetic: rounding, which
// Adam turns into whole steps.
double distance(const Golden& golden, const std::string& group, const Optimizer& optimizer, bool of_average) {
  std::vector<float> ours, theirs;
  for (std::size_t i = 0; i < optimizer.parameters().size(); ++i) {
    const Parameter& p = optimizer.parameters()[i];
    if (p.name().ends_with("to_k.bias")) continue;
    const auto a = of_average ? optimizer.part(optimizer.average(), i) : p.value();
    const auto b = golden.tensor(group + "." + p.name());
    ours.insert(ours.end(), a.values().begin(), a.values().end());
    theirs.insert(theirs.end(), b.values().begin(), b.values().end());
  }
  return test::relative_l2(ours, theirs);
}

}  // namespace

TEST_CASE("train: twenty steps of diffusers' script have its losses, norms and rates, and end at its weights and average") {
  const Golden golden("train");
  const auto metadata = [&](const char* name) { return parse_json(golden.file().metadata().at(name), "golden"); };
  const Json config = metadata("config"), reports = metadata("reports");
  const Schedule schedule = Schedule::diffusers(diffusers_betas("linear", 1000, 1e-4, 0.02), false);
  for (const Isa isa : test::instruction_sets()) {
    const Context context(ContextOptions{.isa = isa, .threads = 2});
    for (const Case& c : cases()) {
      INFO(name(isa) << " " << c.name);
      const UNet unet(unet_config_from_json(config, "golden"), {.initialise = false, .context = context});
      for (const Parameter& p : unet.parameters()) {
        std::ranges::copy(golden.tensor("weight." + p.name()).values(), p.write().begin());
      }
      const Optimizer optimizer(unet.parameters(), c.optimizer);
      const Json& report = reports.at(c.name);
      TrainOptions options{.steps = kSteps, .batch_size = kBatch, .accumulate = c.accumulate, .learning_rate = c.rate,
                           .rate_schedule = c.schedule, .ema = c.ema};
      options.on_step = [&](const TrainReport& r) {
        const auto i = static_cast<std::size_t>(r.step - 1);
        const auto expected = [&](const char* key) { return report.at(key).at(i).get<double>(); };
        CHECK(r.loss == Approx(expected("losses")).epsilon(1e-4));
        CHECK(r.grad_norm == Approx(expected("norms")).epsilon(1e-4));
        CHECK(r.rate == Approx(expected("rates")).epsilon(1e-12).margin(1e-18));
      };
      const Network network = [&](const Tensor& x, const Tensor& t, const Condition&) { return unet(x, t); };
      TrainState state;
      train(network, optimizer, memory_samples(Tensor::zeros({8, 8, 8, 1})),
            replayed(golden, objective(schedule, c.objective), schedule, c.accumulate, context), options, state);
      CHECK(state.step == kSteps);
      CHECK(distance(golden, c.name + ".final", optimizer, false) < 1e-4);
      CHECK(distance(golden, c.name + ".average", optimizer, true) < 1e-4);
    }
  }
}
