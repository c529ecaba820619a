"""Runs of diffusers' DDIM and DDPM schedulers: tests/golden/samplers.safetensors. Needs torch 2.13.0, diffusers 0.42.1, safetensors.

For each case: every x, the network's outputs and the noise of each step, as (steps, N, H, W, C); and by how much the last x
moves when each output is disturbed by 1e-6 of its size. The network is closed: output = a(t) x + b(t). The metadata holds
the configurations. Left out: fixed_large_log, where diffusers takes the root of a logarithm, and fixed_large with trailing
spacing, where it adds noise to the finished picture.
"""
import json
import pathlib

import diffusers
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from diffusers.schedulers import scheduling_ddim, scheduling_ddpm
from safetensors.torch import save_file

SHAPE = (2, 2, 4, 4)
CASES = {
    # name: (scheduler's class, its fields, steps, arguments of step)
    "ddim.epsilon": ("DDIMScheduler", {}, 8, {}),
    "ddim.sample": ("DDIMScheduler", dict(prediction_type="sample"), 8, {}),
    "ddim.v": ("DDIMScheduler", dict(prediction_type="v_prediction", timestep_spacing="trailing"), 8, {}),
    "ddim.unclipped": ("DDIMScheduler", dict(clip_sample=False, timestep_spacing="linspace"), 7, {}),
    "ddim.clipped at 2": ("DDIMScheduler", dict(clip_sample_range=2.0), 6, {}),
    "ddim.threshold": ("DDIMScheduler", dict(thresholding=True, dynamic_thresholding_ratio=0.8, sample_max_value=1.5,
                                             prediction_type="v_prediction"), 8, {}),
    "ddim.eta": ("DDIMScheduler", dict(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction"), 8, dict(eta=0.7)),
    "ddim.eta 1": ("DDIMScheduler", dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012,
                                         clip_sample=False), 8, dict(eta=1.0)),
    "ddim.alpha and offset": ("DDIMScheduler", dict(set_alpha_to_one=False, steps_offset=1, clip_sample=False), 9, {}),
    "ddim.clipped output": ("DDIMScheduler", {}, 8, dict(use_clipped_model_output=True)),
    "ddim.clipped output, eta": ("DDIMScheduler", {}, 8, dict(use_clipped_model_output=True, eta=0.5)),
    "ddim.zero SNR": ("DDIMScheduler", dict(rescale_betas_zero_snr=True, prediction_type="v_prediction",
                                            timestep_spacing="trailing"), 8, {}),
    "ddim.betas": ("DDIMScheduler", dict(trained_betas=[0.01 * (i + 1) for i in range(20)], num_train_timesteps=20,
                                         beta_schedule="linear"), 5, {}),
    "ddpm.fixed_small": ("DDPMScheduler", dict(variance_type="fixed_small"), 8, {}),
    "ddpm.fixed_small_log": ("DDPMScheduler", dict(variance_type="fixed_small_log", prediction_type="sample"), 8, {}),
    "ddpm.fixed_large": ("DDPMScheduler", dict(variance_type="fixed_large", prediction_type="v_prediction",
                                               clip_sample=False), 8, {}),
    "ddpm.fixed_large, linspace": ("DDPMScheduler", dict(variance_type="fixed_large", timestep_spacing="linspace"), 8, {}),
    "ddpm.learned_range": ("DDPMScheduler", dict(variance_type="learned_range"), 8, {}),
    "ddpm.threshold": ("DDPMScheduler", dict(thresholding=True, sample_max_value=2.0, timestep_spacing="linspace"), 8, {}),
    "ddpm.cosine, many steps": ("DDPMScheduler", dict(beta_schedule="squaredcos_cap_v2", steps_offset=1), 25, {}),
}


def network(x, t, learned):
    """Near the right answer for data of small deviation, and bounded; the second half is a variance in [-1, 1]."""
    u = float(t) / 1000
    y = x * (0.2 + 0.7 * u) + 0.1 * (1 - u)
    return torch.cat([y, torch.full_like(y, 0.6 - u)], 1) if learned else y


def run(case, disturb=0.0):
    cls, fields, steps, arguments = case
    scheduler = getattr(diffusers, cls)(**fields)
    scheduler.set_timesteps(steps)
    random = torch.Generator().manual_seed(1)
    disturbance = torch.Generator().manual_seed(2)
    x = torch.randn(SHAPE, generator=random)
    xs, outputs, noises = [x], [], []

    def noise(shape, **_):
        noises[-1] = torch.randn(shape, generator=random)
        return noises[-1]

    scheduling_ddim.randn_tensor = scheduling_ddpm.randn_tensor = noise
    for t in scheduler.timesteps:
        y = network(x, t, fields.get("variance_type") == "learned_range")
        y = y + disturb * y.abs().mean() * torch.randn(y.shape, generator=disturbance)
        noises.append(torch.zeros(SHAPE))
        x = scheduler.step(y, t, x, **arguments).prev_sample
        xs.append(x)
        outputs.append(y)
    return xs, outputs, noises, dict(scheduler.config)


tensors, cases = {}, {}
for name, case in CASES.items():
    xs, outputs, noises, config = run(case)
    last = run(case, 1e-6)[0][-1]
    for key, values in (("x", xs), ("output", outputs), ("noise", noises)):
        tensors[f"{name}.{key}"] = torch.stack(values).permute(0, 1, 3, 4, 2).contiguous()
    fields = {k: v for k, v in config.items() if not k.startswith("_")}
    cases[name] = dict(scheduler=dict(fields, _class_name=case[0]), steps=case[2], arguments=case[3],
                       moved=float((last - xs[-1]).abs().max()))
save_file(tensors, pathlib.Path(__file__).parent.parent / "tests/golden/samplers.safetensors",
          {"torch": torch.__version__, "diffusers": diffusers.__version__, "cases": json.dumps(cases)})
