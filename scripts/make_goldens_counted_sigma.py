"""tests/golden/counted_sigma.safetensors: what diffusers' own tests of Euler and Heun end with, where the numbers that those
tests hold are too small to tell much. The network is x t / (t + 1), x counts (tests/support/counted.hpp), and as in those tests
the scaled x goes into each step; (N, H, W, C).

Made with torch 2.13.0, diffusers 0.42.1, safetensors 0.8.0.
"""
import pathlib

import diffusers
import torch
from safetensors.torch import save_file

GOLDEN = pathlib.Path(__file__).parent.parent / "tests/golden"
USUAL = dict(num_train_timesteps=1100, beta_start=0.0001, beta_end=0.02, beta_schedule="linear")
CASES = {
    "euler v": ("EulerDiscreteScheduler", dict(prediction_type="v_prediction")),
    "heun": ("HeunDiscreteScheduler", {}),
    "heun v": ("HeunDiscreteScheduler", dict(prediction_type="v_prediction")),
    "heun karras": ("HeunDiscreteScheduler", dict(use_karras_sigmas=True)),
    "dpm_2 v": ("KDPM2DiscreteScheduler", dict(prediction_type="v_prediction")),
}


def run(cls, fields):
    scheduler = getattr(diffusers, cls)(**USUAL, **fields)
    scheduler.set_timesteps(10)
    x = (torch.arange(768) / 768).reshape(3, 8, 8, 4).permute(3, 0, 1, 2) * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        x = scheduler.scale_model_input(x, t)
        x = scheduler.step(x * t / (t + 1), t, x)[0]
    return x.float().permute(0, 2, 3, 1).contiguous()


if __name__ == "__main__":
    save_file({name: run(*case) for name, case in CASES.items()}, GOLDEN / "counted_sigma.safetensors",
              {"torch": torch.__version__, "diffusers": diffusers.__version__})
