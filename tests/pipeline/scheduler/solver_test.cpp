// The configurations of exponential integrators: where their levels are, and what is refused.
#include "pipeline/scheduler/solver.hpp"

#include <cmath>
#include <limits>

#include "support/catch.hpp"

using namespace eddy;

namespace {

Sampling made(const std::string& name, const std::string& fields = "", const SamplingOptions& options = {.steps = 8}) {
  return sampling_of(SchedulerConfig(R"({"_class_name":")" + name + "Scheduler\"" + fields + "}", "c.json"), options);
}

const char* const kNames[] = {"DPMSolverMultistep", "DPMSolverMultistepInverse", "DPMSolverSinglestep", "DEISMultistep",
                              "UniPCMultistep"};

}  // namespace

TEST_CASE("solver timesteps: trailing gives n, none below 0, where diffusers has one more at t = -1") {
  for (int n = 1; n <= 1000; ++n) {
    const std::vector<int> ts = solver_timesteps(1000, 1000, n, {Spacing::trailing, 0});
    REQUIRE(ts.size() == static_cast<std::size_t>(n));
    CHECK(ts.front() == 999);
    CHECK(ts.back() >= 0);
  }
  CHECK(made("DPMSolverMultistep", R"(,"timestep_spacing":"trailing")", {.steps = 61}).steps.size() == 61);
}

TEST_CASE("solver timesteps: n + 1 places, the clean one left out") {
  CHECK(solver_timesteps(1000, 1000, 4, {Spacing::linspace, 0}) == std::vector<int>{999, 749, 500, 250});
  CHECK(solver_timesteps(1000, 1000, 4, {Spacing::leading, 1}) == std::vector<int>{801, 601, 401, 201});
  CHECK(solver_timesteps(1000, 1000, 4, {Spacing::trailing, 0}) == std::vector<int>{999, 749, 499, 249});
  CHECK(solver_timesteps(1000, 600, 4, {Spacing::trailing, 0}) == std::vector<int>{599, 349, 99});
  CHECK_THROWS_WITH(solver_timesteps(1000, 1000, 1001, {Spacing::linspace, 0}), Catch::Contains("from 1 to 1000, got 1001"));
  CHECK_THROWS_WITH(solver_timesteps(1000, 1000, 4, {Spacing::leading, 300}), Catch::Contains("t = 1100"));
}

TEST_CASE("solver configurations: every field of the class is known") {
  const std::string shared = R"(,"thresholding":true,"sample_max_value":2,"dynamic_thresholding_ratio":0.9,"solver_order":1)"
                             R"(,"use_karras_sigmas":false,"use_exponential_sigmas":false,"use_beta_sigmas":false)"
                             R"(,"use_flow_sigmas":false,"flow_shift":1.0,"trained_betas":null)";
  for (const char* name : kNames) {
    INFO(name);
    const std::string text = R"({"_class_name":")" + std::string(name) + "Scheduler\"" + shared + R"(,"beyond":1})";
    const SchedulerConfig config(text, "c.json");
    CHECK(config.unknown_fields() == std::vector<std::string>{"beyond"});
  }
}

TEST_CASE("solver configurations: what Python writes for no clipping of lambda is read and written again") {
  const SchedulerConfig config(R"({"_class_name":"DPMSolverMultistepScheduler","lambda_min_clipped":-Infinity})", "c.json");
  CHECK(config.json().find("\"lambda_min_clipped\": -Infinity") != std::string::npos);
  CHECK(config.json() == SchedulerConfig(config.json(), "again").json());
  CHECK(sampling_of(config, {.steps = 5}).steps.size() == 5);
}

TEST_CASE("solver configurations: eta of a run is the SDE's, mu the shift of a flow") {
  const std::string flow = R"(,"use_flow_sigmas":true,"prediction_type":"flow_prediction","use_dynamic_shifting":true)";
  const auto second = [&](const char* name, double mu) { return made(name, flow, {.steps = 4, .mu = mu}).steps[1].from.sigma; };
  for (const char* name : {"DPMSolverMultistep", "DPMSolverSinglestep", "DEISMultistep", "UniPCMultistep"}) {
    INFO(name);
    CHECK(second(name, 1) > second(name, 0));
    CHECK_THROWS_WITH(made(name, "", {.steps = 4, .mu = 1.0}), Catch::Contains("mu needs a scheduler with use_dynamic_shifting"));
    CHECK_THROWS_WITH(made(name, "", {.steps = 4, .image_tokens = 9}), Catch::Contains("image_tokens needs"));
    CHECK_THROWS_WITH(made(name, R"(,"use_dynamic_shifting":true)", {.steps = 4, .mu = 1.0}), Catch::Contains("use_flow_sigmas"));
    CHECK_NOTHROW(made(name, R"(,"use_dynamic_shifting":true)"));  // nothing to shift
    if (std::string(name) == "UniPCMultistep") {
      CHECK_THROWS_WITH(made(name, flow), Catch::Contains("needs mu, or image_tokens"));
    } else {  // diffusers leaves flow_shift in place
      CHECK(made(name, flow + R"(,"flow_shift":2)", {.steps = 4}).steps[1].from.sigma == Approx(second(name, std::log(2.0))));
    }
    const auto by_tokens = [&](const std::string& fields, std::int64_t tokens) {
      return made(name, flow + fields, {.steps = 4, .image_tokens = tokens}).steps[1].from.sigma;
    };
    CHECK(by_tokens("", 256) == second(name, 0.5));
    CHECK(by_tokens("", 4096) == Approx(second(name, 1.15)).epsilon(1e-6));
    CHECK(by_tokens(R"(,"base_shift":0.9)", 256) == second(name, 0.9));  // no field of the class, but pipelines of diffusers look
  }
  const SchedulerConfig plain(R"({"_class_name":"UniPCMultistepScheduler"})");
  CHECK(plain.json().find("base_shift") == std::string::npos);
  CHECK_NOTHROW(made("DPMSolverMultistep", "", {.steps = 4, .eta = 1.0}));
  CHECK_THROWS_WITH(made("DEISMultistep", "", {.steps = 4, .eta = 1.0}), Catch::Contains("deis has no eta"));
  CHECK(made("UniPCMultistep", "", {.steps = 4, .sigmas = "ays"}).steps[0].from.sigma > 0.99);
}

TEST_CASE("solver configurations: what has no meaning is refused with its key") {
  const auto refused = [](const char* name, const std::string& fields, const std::string& what) {
    INFO(name << fields);
    CHECK_THROWS_WITH(made(name, "," + fields), Catch::Contains("c.json: " + what));
  };
  for (const char* name : kNames) {
    refused(name, R"("solver_order":0)", "solver_order");
    refused(name, R"("solver_type":"rk4")", "solver_type");
    refused(name, R"("prediction_type":"flow_prediction")", "prediction_type");
    refused(name, R"("use_karras_sigmas":true,"use_beta_sigmas":true)", "use_beta_sigmas");
    refused(name, R"("flow_shift":0)", "flow_shift");
    refused(name, R"("beta_start":-1)", "beta_start: must be in (0, 1), as float32 too, got -1");
    refused(name, R"("thresholding":true,"dynamic_thresholding_ratio":7)", "dynamic_thresholding_ratio: must be in (0, 1], got");
    refused(name, R"("thresholding":true,"sample_max_value":-2)", "sample_max_value: must be a number above 0, got -2");
  }
  refused("DPMSolverMultistep", R"("algorithm_type":"dpmsolver")", "final_sigmas_type");
  refused("DPMSolverMultistep", R"("algorithm_type":"rk")", "algorithm_type");
  refused("DPMSolverMultistep", R"("lambda_min_clipped":20)", "lambda_min_clipped");
  refused("DPMSolverMultistep", R"("variance_type":"fixed_small")", "variance_type");
  refused("DPMSolverMultistep", R"("final_sigmas_type":"one")", "final_sigmas_type");
  refused("DPMSolverMultistep", R"("use_flow_sigmas":true,"prediction_type":"v_prediction")", "prediction_type");
  refused("DPMSolverMultistepInverse", R"("algorithm_type":"sde-dpmsolver++")", "algorithm_type");
  refused("DPMSolverMultistepInverse", R"("use_flow_sigmas":true,"prediction_type":"flow_prediction")", "use_flow_sigmas");
  refused("UniPCMultistep", R"("shift_terminal":0.1)", "shift_terminal");
  refused("UniPCMultistep", R"("solver_p":{})", "solver_p");
  refused("UniPCMultistep", R"("sigma_min":-1)", "sigma_min: must be a number above 0, got -1");
  refused("UniPCMultistep", R"("sigma_min":3,"sigma_max":2)", "sigma_max: must be above sigma_min, 3.0, got 2");
  refused("UniPCMultistep", R"("use_beta_sigmas":true,"use_flow_sigmas":true)", "use_flow_sigmas");
  refused("UniPCMultistep", R"("disable_corrector":[-1])", "disable_corrector");
  refused("EDMDPMSolverMultistep", R"("algorithm_type":"dpmsolver")", "algorithm_type");
  refused("EDMDPMSolverMultistep", R"("solver_order":4)", "solver_order");
  refused("EDMDPMSolverMultistep", R"("sigma_max":1e60)", "sigma_max: must be a number from 1e-18 to 1e18, got 1e+60");
}
