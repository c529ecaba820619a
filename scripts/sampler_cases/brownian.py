"""DPMSolverSDE, as in a pipeline called with generator=torch.manual_seed(seed): the latents and the tree's entropy come from one
generator, the default one. Left out: prediction_type sample, which diffusers refuses."""
import diffusers.schedulers.scheduling_dpmsolver_sde as module
import torch

ORIGINAL = module.BrownianTreeNoiseSampler.__call__


def loop(case, scheduler, net, _):
    def draw(self, *levels):
        net.noises.append(ORIGINAL(self, *levels))
        return net.noises[-1]

    module.BrownianTreeNoiseSampler.__call__ = draw
    generator = torch.manual_seed(case["seed"])
    scheduler.set_timesteps(case["steps"])
    x = torch.randn(2, 2, 4, 4, generator=generator) * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        net.keep(x)
        x = scheduler.step(net(scheduler.scale_model_input(x, t), t), t, x).prev_sample
    net.keep(x)


def sde(steps=8, seed=0, **fields):
    return dict({"class": "DPMSolverSDEScheduler"}, fields=fields, steps=steps, seed=seed, loop=loop)


CASES = {
    "sde epsilon": sde(),
    "sde v, leading": sde(7, 1, prediction_type="v_prediction", timestep_spacing="leading", steps_offset=1),
    "sde trailing, scaled_linear": sde(6, 2, timestep_spacing="trailing", beta_schedule="scaled_linear"),
    "sde karras": sde(10, 3, use_karras_sigmas=True),
    "sde exponential": sde(9, 4, use_exponential_sigmas=True, beta_start=1e-4, beta_end=0.02),
    "sde beta": sde(8, 5, use_beta_sigmas=True),
    "sde seed": sde(8, 6, noise_sampler_seed=12345678901234),
    "sde betas": sde(5, 7, trained_betas=[0.01 * (i + 1) for i in range(20)], num_train_timesteps=20),
    "sde many steps": sde(20, 8, beta_schedule="squaredcos_cap_v2", num_train_timesteps=500, prediction_type="v_prediction"),
}
