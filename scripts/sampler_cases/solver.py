"""What the modules of exponential integrators share; no cases of its own."""
import torch

CASES = {}
OWN = ("seed", "learned", "loop", "set_timesteps", "options", "begin", "double")


def case(cls, steps, **fields):
    own = {key: fields.pop(key) for key in OWN if key in fields}
    return dict({"class": cls}, fields=fields, steps=steps, **own)


def learned_loop(case, scheduler, net, generator):
    """As DiTPipeline: the variance half is cut off before the step (diffusers' own cut keeps three channels of any network)."""
    scheduler.set_timesteps(case["steps"])
    x = torch.randn((2, 2, 4, 4), generator=generator)
    for t in scheduler.timesteps:
        net.keep(x)
        y = net(scheduler.scale_model_input(x, t), t)
        x = scheduler.step(y[:, : x.shape[1]], t, x, generator=generator)[0]
    net.keep(x)
    return x
