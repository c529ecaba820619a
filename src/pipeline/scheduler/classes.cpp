// Every scheduler by name: the one place where text becomes a sampler.
#include "pipeline/scheduler/recipe.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr SchedulerClass kClasses[] = {
    {"ddpm", "DDPMScheduler", "ancestral sampling, all the noise of the forward process", read_ddpm},
    {"ddim", "DDIMScheduler", "first order, deterministic at eta 0, ancestral at eta 1", read_ddim, true},
    // in sigma space
    // exponential integrators
    // with Brownian noise, and with steps of their own choice
    // multistep, few-step and score-based
};

}  // namespace

std::span<const SchedulerClass> scheduler_classes() { return kClasses; }

std::vector<std::pair<std::string, std::string>> sampler_names() {
  std::vector<std::pair<std::string, std::string>> names;
  for (const SchedulerClass& c : kClasses) names.emplace_back(c.name, c.about);
  return names;
}

}  // namespace eddy::inline v0_1
