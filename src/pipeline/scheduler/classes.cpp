// Every scheduler by name: the one place where text becomes a sampler.
#include "pipeline/scheduler/recipe.hpp"

namespace eddy::inline v0_1 {

namespace {

constexpr SchedulerClass kClasses[] = {
    {"ddpm", "DDPMScheduler", "ancestral sampling, all the noise of the forward process", read_ddpm},
    {"ddim", "DDIMScheduler", "first order, deterministic at eta 0, ancestral at eta 1",
     read_ddim, {.eta = true, .clipped_output = true}},
    // in sigma space
    {"euler", "EulerDiscreteScheduler", "order 1, one evaluation a step", read_euler, {.sigmas = true, .churn = true}},
    {"euler_ancestral", "EulerAncestralDiscreteScheduler", "order 1, new noise at every step",
     read_euler_ancestral, {.eta = true, .sigmas = true}},
    {"heun", "HeunDiscreteScheduler", "order 2, two evaluations a step", read_heun, {.sigmas = true, .churn = true}},
    {"dpm_2", "KDPM2DiscreteScheduler", "order 2, through the middle of a step", read_dpm_2, {.sigmas = true, .churn = true}},
    {"dpm_2_ancestral", "KDPM2AncestralDiscreteScheduler", "dpm_2, new noise at every step",
     read_dpm_2_ancestral, {.eta = true, .sigmas = true}},
    {"lms", "LMSDiscreteScheduler", "linear multistep of order 4, one evaluation a step", read_lms, {.sigmas = true}},
    {"edm_euler", "EDMEulerScheduler", "order 1, for networks with EDM's scaling",
     read_edm_euler, {.sigmas = true, .churn = true}, "networks of EDM's scaling"},
    {"flow_euler", "FlowMatchEulerDiscreteScheduler", "order 1, for flow matching",
     read_flow_euler, {.sigmas = true, .mu = true, .needs_mu = true}, "networks of flow matching"},
    {"flow_heun", "FlowMatchHeunDiscreteScheduler", "order 2, for flow matching",
     read_flow_heun, {.churn = true}, "networks of flow matching"},
    // exponential integrators
    {"dpmpp_2m", "DPMSolverMultistepScheduler", "DPM-Solver++ 2M and its kin: few steps, order 1 to 3; with eta the SDE",
     read_dpm_multistep, {.eta = true, .sigmas = true, .mu = true}},
    {"dpmpp_2m_inverse", "DPMSolverMultistepInverseScheduler", "the same from a picture towards noise",
     read_dpm_multistep_inverse, {.sigmas = true, .picture = true}},
    {"dpmpp_2s", "DPMSolverSinglestepScheduler", "DPM-Solver++ 2S: blocks that begin anew, order 1 to 3",
     read_dpm_singlestep, {.eta = true, .sigmas = true, .mu = true}},
    {"deis", "DEISMultistepScheduler", "eps by a polynomial in ln(sigma / alpha), order 1 to 3",
     read_deis, {.sigmas = true, .mu = true}},
    {"uni_pc", "UniPCMultistepScheduler", "predicts and corrects without more evaluations, any order",
     read_unipc, {.sigmas = true, .mu = true, .needs_mu = true}},
    {"edm_dpmpp_2m", "EDMDPMSolverMultistepScheduler", "DPM-Solver++ 2M for networks of EDM",
     read_edm_dpm_multistep, {.eta = true, .sigmas = true}, "networks of EDM's scaling"},
    // with Brownian noise, and with steps of their own choice
    {"dpm_solver_sde", "DPMSolverSDEScheduler", "DPM-Solver++ SDE as diffusers has it", read_dpm_solver_sde, {.sigmas = true}},
    {"dpmpp_sde", "dpmpp_sde", "the same with eta and r, two evaluations a step", read_dpmpp_sde, {.eta = true, .sigmas = true}},
    {"dpmpp_2m_sde", "dpmpp_2m_sde", "SDE, second order by the step before", read_dpmpp_2m_sde, {.eta = true, .sigmas = true}},
    {"dpmpp_3m_sde", "dpmpp_3m_sde", "SDE, third order by the two steps before",
     read_dpmpp_3m_sde, {.eta = true, .sigmas = true}},
    {"dpmpp_2s_ancestral", "dpmpp_2s_ancestral", "two evaluations, ancestral noise",
     read_dpmpp_2s_ancestral, {.eta = true, .sigmas = true}},
    {"dpm_fast", "dpm_fast", "single steps of orders 1 to 3; the steps asked for are evaluations", read_dpm_fast, {.eta = true}},
    {"dpm_adaptive", "dpm_adaptive", "steps chosen by a tolerance, for each sample", read_dpm_adaptive,
     {.steps = false, .eta = true}},
    // multistep, few-step and score-based
    {"ddpm_parallel", "DDPMParallelScheduler", "ddpm, as diffusers' parallel pipelines name it", read_ddpm},
    {"ddim_parallel", "DDIMParallelScheduler", "ddim, as diffusers' parallel pipelines name it",
     read_ddim, {.eta = true, .clipped_output = true}},
    {"ddim_inverse", "DDIMInverseScheduler", "ddim backwards, from a picture to its noise", read_ddim_inverse, {.picture = true}},
    {"pndm", "PNDMScheduler", "looks back on three outputs, begun by Runge and Kutta or Heun", read_pndm},
    {"ipndm", "IPNDMScheduler", "looks back on three outputs, begun by lower orders",
     read_ipndm, {}, "networks of velocities in an angle"},
    {"lcm", "LCMScheduler", "a few steps of a latent consistency model", read_lcm, {.timesteps = true}},
    {"tcd", "TCDScheduler", "a few steps of a distilled trajectory, eta of them new noise",
     read_tcd, {.eta = true, .timesteps = true}},
    {"consistency", "CMStochasticIterativeScheduler", "one or a few steps of a consistency model",
     read_consistency, {.timesteps = true}, "consistency models"},
    {"scm", "SCMScheduler", "two steps of a TrigFlow consistency model",
     read_scm, {.timesteps = true}, "TrigFlow consistency models"},
    {"repaint", "RePaintScheduler", "inpainting: needs a picture and a mask", read_repaint,
     {.eta = true, .picture = true, .mask = true}},
    {"score_ve", "ScoreSdeVeScheduler", "correctors and a predictor of the variance-exploding SDE",
     read_score_ve, {}, "score networks"},
    {"score_vp", "ScoreSdeVpScheduler", "Euler's method for the variance-preserving SDE",
     read_score_vp, {}, "score networks of the variance-preserving SDE"},
    {"karras_ve", "KarrasVeScheduler", "Heun's method with churn for a score network",
     read_karras_ve, {}, "score networks of pictures in [0, 1]"},
    {"unclip", "UnCLIPScheduler", "ancestral sampling of unCLIP's prior and decoder", read_unclip},
};

}  // namespace

std::span<const SchedulerClass> scheduler_classes() { return kClasses; }

std::vector<std::pair<std::string, std::string>> sampler_names() {
  std::vector<std::pair<std::string, std::string>> names;
  for (const SchedulerClass& c : kClasses) names.emplace_back(c.name, c.about);
  return names;
}

}  // namespace eddy::inline v0_1
