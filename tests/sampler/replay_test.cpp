// Runs of diffusers' schedulers, step by step and from end to end; scripts/make_goldens_sampler.py made them.
#include <cmath>

#include "eddy/eddy.hpp"
#include "pipeline/scheduler_config.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace eddy;
using namespace eddy::test;

namespace {

// The noise that a run of diffusers drew for its steps.
class StoredNoise final : public NoiseSource::Source {
 public:
  explicit StoredNoise(Tensor steps) : steps_(std::move(steps)) {}
  Tensor normal(const Shape& shape, const NoiseKey& key, std::int64_t, const Context&) override {
    REQUIRE(key.purpose == kStepNoise);
    return steps_.rows(static_cast<std::int64_t>(key.step), 1).viewed(shape);
  }

 private:
  Tensor steps_;
};

struct Case {
  SchedulerConfig config;
  Json arguments;
  int steps;
  double moved;
  Tensor x, outputs, noise;  // (steps + 1, N, H, W, C), (steps, ...)

  Case(const Golden& golden, const std::string& name, const Json& json)
      : config(scheduler_config_from_json(json["scheduler"], name, [](const std::string&) {})),
        arguments(json["arguments"]),
        steps(json["steps"]),
        moved(json["moved"]),
        x(golden.tensor(name + ".x")),
        outputs(golden.tensor(name + ".output")),
        noise(golden.tensor(name + ".noise")) {}

  Tensor at(const Tensor& all, std::int64_t i) const {
    const Shape& s = all.shape();
    return all.rows(i, 1).viewed({s[1], s[2], s[3], s[4]});
  }

  Tensor run(const Network& network, const std::function<void(const StepReport&)>& on_step = {}) const {
    const NoiseSource source(std::make_shared<StoredNoise>(noise));
    const Denoiser denoise = denoiser_of(config, network);
    const std::vector<Step> list = steps_of(config, config.kind, steps);
    const auto with = [&](auto options) {
      options.clip = clip_of(config);
      options.on_step = on_step;
      return options;
    };
    if (config.kind == SamplerKind::ddpm) {
      DdpmOptions options = with(DdpmOptions{});
      options.variance = config.variance_type;
      return sample_ddpm(denoise, at(x, 0), list, source, options);
    }
    DdimOptions options = with(DdimOptions{});
    options.eta = arguments.value("eta", 0.0);
    options.use_clipped_model_output = arguments.value("use_clipped_model_output", false);
    return sample_ddim(denoise, at(x, 0), list, source, options);
  }
};

template <class F>
void for_cases(const F& f) {
  const Golden golden("samplers");
  const Json cases = Json::parse(golden.file().metadata().at("cases"));
  REQUIRE(cases.size() >= 20);
  for (const auto& [name, json] : cases.items()) {
    INFO(name);
    f(Case(golden, name, json));
  }
}

double largest_difference(const Tensor& a, const Tensor& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.values().size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(a.values()[i]) - static_cast<double>(b.values()[i])));
  }
  return largest;
}

double deviation(const Tensor& x) {
  double sum = 0, squares = 0;
  for (const float v : x.values()) {
    sum += static_cast<double>(v);
    squares += static_cast<double>(v) * static_cast<double>(v);
  }
  const auto n = static_cast<double>(x.elements());
  return std::sqrt(squares / n - sum * sum / (n * n));
}

}  // namespace

TEST_CASE("samplers: fed with the outputs of a run of diffusers, each step leads to its next x") {
  for_cases([](const Case& c) {
    std::int64_t i = 0;
    const Network stored = [&](const Tensor&, const Tensor&, const Condition&) { return c.at(c.outputs, i); };
    c.run(stored, [&](const StepReport& report) {
      const Tensor expected = c.at(c.x, ++i);
      CHECK(largest_difference(report.x, expected) <= 1e-5 * deviation(expected));
      report.x = expected.clone();
    });
    CHECK(i == c.steps);
  });
}

TEST_CASE("samplers: from end to end the same as diffusers, as far as that is steady itself") {
  for_cases([](const Case& c) {
    const Network closed = [&](const Tensor& x, const Tensor& t, const Condition&) {
      const double u = static_cast<double>(t.values()[0]) / 1000;
      const Tensor y = affine(x, 0.2 + 0.7 * u, 0.1 * (1 - u));
      const bool learned = c.config.variance_type == Variance::learned_range;
      return learned ? concat(y, Tensor::full(y.shape(), static_cast<float>(0.6 - u))) : y;
    };
    CHECK(largest_difference(c.run(closed), c.at(c.x, c.steps)) <= std::max(2e-5, 30 * c.moved));
  });
}
