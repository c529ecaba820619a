"""tests/golden/counted_dpm.safetensors: what diffusers' own tests of its exponential integrators end with, where the numbers that
those tests hold are too small to tell much. The network is x t / (t + 1), x counts (tests/support/counted.hpp); (N, H, W, C).

Made with torch 2.13.0, diffusers 0.42.1, safetensors 0.8.0.
"""
import pathlib

import diffusers
import torch
from safetensors.torch import save_file

GOLDEN = pathlib.Path(__file__).parent.parent / "tests/golden"
KARRAS_V = dict(use_karras_sigmas=True, prediction_type="v_prediction")
CASES = {
    "inverse karras v": ("DPMSolverMultistepInverseScheduler", KARRAS_V),
    "single karras v": ("DPMSolverSinglestepScheduler", dict(final_sigmas_type="sigma_min", **KARRAS_V)),
    "deis v": ("DEISMultistepScheduler", dict(prediction_type="v_prediction")),
    "edm": ("EDMDPMSolverMultistepScheduler", dict()),
    "edm v": ("EDMDPMSolverMultistepScheduler", dict(prediction_type="v_prediction")),
    "edm order 3": ("EDMDPMSolverMultistepScheduler", dict(solver_order=3, solver_type="heun", lower_order_final=False)),
    "unipc v": ("UniPCMultistepScheduler", dict(final_sigmas_type="sigma_min", prediction_type="v_prediction")),
}


def counted():
    return (torch.arange(768) / 768).reshape(3, 8, 8, 4).permute(3, 0, 1, 2)


def run(cls, fields):
    scheduler = getattr(diffusers, cls)(**fields)
    scheduler.set_timesteps(10)
    x = counted() * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        x = scheduler.step(scheduler.scale_model_input(x, t) * t / (t + 1), t, x)[0]
    return x.float().permute(0, 2, 3, 1).contiguous()


if __name__ == "__main__":
    save_file({name: run(*case) for name, case in CASES.items()}, GOLDEN / "counted_dpm.safetensors",
              {"torch": torch.__version__, "diffusers": diffusers.__version__})
