"""KarrasVeScheduler, with the loop of its pipeline."""
import torch
from diffusers.schedulers.deprecated import KarrasVeScheduler


def karras_ve_loop(case, scheduler, net, generator):
    """As KarrasVePipeline, without its limits of a picture."""
    x = torch.randn(net.shape, generator=generator) * scheduler.init_noise_sigma
    scheduler.set_timesteps(case["steps"])
    for t in scheduler.timesteps:
        sigma = scheduler.schedule[t]
        following = scheduler.schedule[t - 1] if t > 0 else 0
        net.keep(x)
        noisy, sigma_hat = scheduler.add_noise_to_input(x, sigma, generator=generator)
        y = sigma_hat / 2 * net((noisy + 1) / 2, sigma_hat / 2)
        step = scheduler.step(y, sigma_hat, following, noisy)
        if following != 0:
            net.keep(step.prev_sample)
            y = following / 2 * net((step.prev_sample + 1) / 2, following / 2)
            step = scheduler.step_correct(y, sigma_hat, following, noisy, step.prev_sample, step["derivative"])
        x = step.prev_sample
    net.keep(x)


def case(steps, **fields):
    return {"class": KarrasVeScheduler, "fields": fields, "steps": steps, "loop": karras_ve_loop}


CASES = {
    "karras_ve": case(8, sigma_max=5.0),
    "karras_ve churned": case(6, sigma_max=3.0, sigma_min=0.1, s_noise=1.0, s_churn=1.5,
                              s_min=0.1, s_max=4.0),
    "karras_ve without churn": case(5, sigma_max=4.0, s_churn=0.0),
}
