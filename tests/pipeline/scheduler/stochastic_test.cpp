// The configurations of the samplers with Brownian noise, and with steps of their own choice.
#include "eddy/eddy.hpp"
#include "io/json.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

SchedulerConfig config(const char* name, const std::string& fields = "{}") {
  return SchedulerConfig(std::string("{\"_class_name\": \"") + name + "\"}").with(fields);
}

Denoiser towards_zero() {
  return from_eps([](const Tensor& x, const Tensor&, const Condition&) { return affine(x, 0.9); });
}

Tensor run(const SchedulerConfig& config, const NoiseSource& noise, const SamplingOptions& options) {
  const Sampling s = sampling_of(config, options);
  const Tensor z = noise.normal({2, 2, 2, 3}, kInitialNoise);
  return s.sampler(towards_zero(), affine(z, s.initial_scale), s.steps, noise, {});
}

}  // namespace

TEST_CASE("k-diffusion's samplers: defaults, and what is wrong is refused by its key") {
  const Json own = Json::parse(config("dpm_adaptive").json());
  CHECK(own["rtol"] == 0.05);
  CHECK(own["atol"] == 0.0078);
  CHECK(own["order"] == 3);
  CHECK(own["eta"] == 0);
  CHECK(Json::parse(config("dpmpp_2m_sde").json())["solver_type"] == "midpoint");
  CHECK(Json::parse(config("DPMSolverSDEScheduler").json())["noise_sampler_seed"].is_null());
  CHECK(config("dpmpp_sde", R"({"r": 0.4, "surprise": 1})").unknown_fields() == std::vector<std::string>{"surprise"});
  const std::pair<const char*, const char*> wrong[] = {
      {"dpmpp_sde", R"({"r": 0})"},          {"dpmpp_3m_sde", R"({"eta": -1})"},      {"dpmpp_3m_sde", R"({"s_noise": -1})"},
      {"dpm_adaptive", R"({"order": 4})"},   {"dpm_adaptive", R"({"rtol": -1})"},     {"dpm_adaptive", R"({"atol": 0})"},
      {"dpm_adaptive", R"({"h_init": 0})"},  {"dpm_fast", R"({"sigma_min": 0})"},     {"dpm_fast", R"({"sigma_max": 0.001})"},
      {"dpmpp_2m_sde", R"({"sigma_max": 0.001})"}, {"dpmpp_sde", R"({"beta_end": 5})"},
      {"DPMSolverSDEScheduler", R"({"beta_end": 5})"},
      {"dpmpp_sde", R"({"noise_sampler_seed": -1})"}, {"dpmpp_2m_sde", R"({"solver_type": "rk"})"},
      {"dpmpp_2s_ancestral", R"({"final_sigmas_type": "one"})"}};
  for (const auto& [name, fields] : wrong) {
    const std::string key = std::string(fields).substr(2, std::string(fields).find('"', 2) - 2);
    CHECK_THROWS_WITH(config(name, fields), Catch::Contains(key));
  }
  CHECK_THROWS_WITH(config("DPMSolverSDEScheduler", R"({"use_karras_sigmas": true, "use_beta_sigmas": true})"),
                    Catch::Contains("use_beta_sigmas"));
}

TEST_CASE("k-diffusion's samplers: eta of the call counts before the configuration's; DPMSolverSDE has none") {
  for (const char* name : {"dpmpp_sde", "dpmpp_2m_sde", "dpmpp_3m_sde", "dpmpp_2s_ancestral", "dpm_fast", "dpm_adaptive"}) {
    INFO(name);
    const NoiseSource noise = philox_noise(3);
    const Tensor called = run(config(name, R"({"eta": 0.3})"), noise, {.steps = 6, .eta = 0.6});
    CHECK(std::ranges::equal(called.values(), run(config(name, R"({"eta": 0.6})"), noise, {.steps = 6}).values()));
    CHECK(!std::ranges::equal(called.values(), run(config(name, R"({"eta": 0.3})"), noise, {.steps = 6}).values()));
  }
  CHECK_THROWS_WITH(sampling_of(config("DPMSolverSDEScheduler"), {.eta = 0.5}), Catch::Contains("has no eta"));
}

TEST_CASE("dpm_adaptive: a safety that no step can have is refused at once") {
  CHECK_THROWS_WITH(SchedulerConfig(R"({"_class_name":"dpm_adaptive","accept_safety":3})", "s.json"),
                    Catch::Contains("s.json: accept_safety"));
  DpmAdaptiveOptions options;
  options.accept_safety = 3;
  options.level_at = [](double ratio) { return NoiseLevel{0, 1, ratio}; };
  const Denoiser never = [](const Tensor&, std::span<const NoiseLevel>) -> Prediction { throw Error("called"); };
  CHECK_THROWS_WITH(sample_dpm_adaptive(never, Tensor::zeros({1, 2}), std::vector{Step{{0, 1, 9}, {0, 1, 1}}}, philox_noise(0),
                                        options),
                    Catch::Contains("accept_safety"));
}

TEST_CASE("dpm_fast: the steps asked for are evaluations") {
  for (const int n : {1, 2, 3, 7, 9, 10}) {
    int calls = 0;
    const Sampling s = sampling_of(config("dpm_fast"), {.steps = n});
    const Denoiser counting = [&](const Tensor& x, std::span<const NoiseLevel> levels) {
      ++calls;
      return towards_zero()(x, levels);
    };
    s.sampler(counting, Tensor::full({1, 2, 2, 1}, 1), s.steps, philox_noise(0), {});
    CHECK(calls == n);
  }
}

TEST_CASE("noise_sampler_seed: the path hangs on it alone, with torch's noise and with ours") {
  for (const char* name : {"DPMSolverSDEScheduler", "dpmpp_sde", "dpmpp_2m_sde", "dpmpp_3m_sde"}) {
    INFO(name);
    const auto noise_of = [&](const std::string& fields, std::uint64_t seed, bool torch) {
      const Sampling s = sampling_of(config(name, fields), {.steps = 5, .batch_coupled = torch});
      const NoiseSource noise = torch ? torch_cpu_noise(seed, 2) : philox_noise(seed);
      const Tensor x = s.sampler(towards_zero(), Tensor::full({2, 2, 2, 3}, 10), s.steps, noise, {});
      return std::vector<float>(x.values().begin(), x.values().end());
    };
    for (const bool torch : {false, true}) {
      CHECK(noise_of(R"({"noise_sampler_seed": 5})", 1, torch) == noise_of(R"({"noise_sampler_seed": 5})", 2, torch));
      CHECK(noise_of(R"({"noise_sampler_seed": 5})", 1, torch) != noise_of(R"({"noise_sampler_seed": 6})", 1, torch));
      CHECK(noise_of("{}", 1, torch) != noise_of("{}", 2, torch));
    }
  }
}

TEST_CASE("torch's noise: the batch's size changes nothing for a Brownian tree") {
  const Sampling s = sampling_of(config("DPMSolverSDEScheduler"), {.steps = 5, .batch_coupled = true});
  const NoiseSource whole = torch_cpu_noise(4, 3), parts = torch_cpu_noise(4, 3);
  const Tensor z = whole.normal({3, 4, 4, 2}, kInitialNoise);
  const Tensor all = s.sampler(towards_zero(), affine(z, s.initial_scale), s.steps, whole, {});
  for (std::int64_t i = 0; i < 3; ++i) {
    const NoiseSource mine = parts.from_sample(i);
    const Tensor one = mine.normal({1, 4, 4, 2}, kInitialNoise);
    const Tensor x = s.sampler(towards_zero(), affine(one, s.initial_scale), s.steps, mine, {});
    CHECK(std::ranges::equal(x.values(), all.rows(i, 1).values()));
  }
}
