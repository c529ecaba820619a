// Runs of diffusers' schedulers, step by step and from end to end; scripts/make_goldens_samplers.py made them.
#include <cmath>

#include "eddy/eddy.hpp"
#include "io/json.hpp"
#include "support/catch.hpp"
#include "support/unet_golden.hpp"

using namespace eddy;
using namespace eddy::test;

namespace {

// A file tests/golden/samplers_FAMILY.safetensors each.
const char* const kFamilies[] = {
    "ddim_ddpm",
    "few_step",
    "karras_ve",
    "sigma",
    "sigma_flow",
    "dpm",
    "unipc_deis",
    "brownian",
    "k_diffusion",
    "vp",
};

// The noise that a run of diffusers drew, in its order, for its keys in order of first use.
class StoredNoise final : public NoiseSource::Source {
 public:
  explicit StoredNoise(Tensor draws) : draws_(std::move(draws)) {}
  Tensor normal(const Shape& shape, const NoiseKey& key, std::int64_t, const Context&) override {
    const std::pair<std::uint64_t, std::uint32_t> place{key.step, key.substep};
    auto found = std::ranges::find(places_, place);
    if (found == places_.end()) found = places_.insert(places_.end(), place);
    REQUIRE(found - places_.begin() < draws_.extent(0));
    return draws_.rows(found - places_.begin(), 1).viewed(shape);
  }
  Tensor brownian(const Shape& shape, const BrownianKey& key, std::int64_t first, const Context& context) override {
    return normal(shape, key.key, first, context);
  }

 private:
  Tensor draws_;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> places_;
};

SamplingOptions sampling_options(const Golden& golden, const std::string& name, const Json& json) {
  SamplingOptions o{.steps = json["steps"], .batch_coupled = true};
  if (golden.has(name + ".picture")) o.picture = golden.tensor(name + ".picture");
  if (golden.has(name + ".mask")) o.mask = golden.tensor(name + ".mask");
  for (const auto& [key, value] : json["options"].items()) {
    if (key == "eta") o.eta = value.get<double>();
    else if (key == "churn") o.churn = {value.at(0), value.at(1), value.at(2), value.at(3)};
    else if (key == "mu") o.mu = value.get<double>();
    else if (key == "use_clipped_model_output") o.use_clipped_model_output = value.get<bool>();
    else if (key == "jump_length") o.jump_length = value.get<int>();
    else if (key == "jump_n_sample") o.jump_n_sample = value.get<int>();
    else if (key == "timesteps") o.timesteps = value.get<std::vector<double>>(), o.steps = 0;
    else FAIL("unknown option " << key);
  }
  return o;
}

struct Case {
  SchedulerConfig config;
  Sampling sampling;
  std::uint64_t seed;
  bool learned, positive;
  double moved;
  Tensor x, outputs, noise;  // (calls + 1, N, H, W, C), (calls, ...), (draws, ...)

  Case(const Golden& golden, const std::string& name, const Json& json)
      : config(json["scheduler"].dump(), name),
        sampling(sampling_of(config, sampling_options(golden, name, json))),
        seed(json["seed"]),
        learned(json["learned"] != false),
        positive(json["learned"] == "positive"),
        moved(json["moved"]),
        x(golden.tensor(name + ".x")),
        outputs(golden.tensor(name + ".output")),
        noise(golden.tensor(name + ".noise")) {}

  static Tensor at(const Tensor& all, std::int64_t i) {
    const Shape& s = all.shape();
    return all.rows(i, 1).viewed({s[1], s[2], s[3], s[4]});
  }

  Tensor run(const Network& network, const Tensor& first, const NoiseSource& source,
             const std::function<void(const StepReport&)>& on_step = {}) const {
    SamplerOptions options;
    options.on_step = on_step;
    return sampling.sampler(sampling.denoiser(network, {}), first, sampling.steps, source, options);
  }
};

template <class F>
void for_cases(const F& f) {
  for (const char* family : kFamilies) {
    const Golden golden(std::string("samplers_") + family);
    const Json cases = Json::parse(golden.file().metadata().at("cases"));
    for (const auto& [name, json] : cases.items()) {
      INFO(name);
      f(Case(golden, name, json));
    }
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

TEST_CASE("samplers: fed with the outputs of a run of diffusers, each step leads to its next x", "[replay]") {
  for_cases([](const Case& c) {
    std::int64_t calls = 0, reports = 0;
    const Network stored = [&](const Tensor&, const Tensor&, const Condition&) { return c.at(c.outputs, calls++); };
    const NoiseSource noise(std::make_shared<StoredNoise>(c.noise));
    c.run(stored, c.at(c.x, 0), noise, [&](const StepReport& report) {
      const Tensor expected = c.at(c.x, calls);
      CHECK(largest_difference(report.x, expected) <= 1e-5 * deviation(expected));
      report.x = expected.clone();
      ++reports;
    });
    CHECK(calls == c.outputs.extent(0));
    CHECK(reports == static_cast<std::int64_t>(c.sampling.steps.size()));
  });
}

TEST_CASE("samplers: from a seed to the end the same as diffusers, as far as that is steady itself", "[replay]") {
  const Golden golden("samplers_unet");
  const UNet unet = golden_unet(golden, {});
  for_cases([&](const Case& c) {
    const Network network = [&](const Tensor& x, const Tensor& t, const Condition& condition) {
      const Tensor y = unet(x, t, condition);
      if (!c.learned) return y;
      Tensor variance = y.clone();
      for (float& v : variance.mutable_values()) v = c.positive ? 0.5f + 0.4f * std::tanh(v + 0.3f) : std::tanh(v + 0.3f);
      return concat(y, variance);
    };
    const Tensor expected = c.at(c.x, c.x.extent(0) - 1);
    const NoiseSource noise = torch_cpu_noise(c.seed, expected.extent(0));
    const Tensor z = noise.normal(expected.shape(), kInitialNoise);
    const Tensor x = c.run(network, affine(z, c.sampling.initial_scale), noise);
    CHECK(largest_difference(x, expected) <= std::max(2e-5, 30 * c.moved) * deviation(expected));
  });
}
