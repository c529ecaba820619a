"""Tables of diffusers' schedules: tests/golden/schedules.safetensors. Needs torch 2.13.0, diffusers 0.42.1, safetensors."""
import pathlib

import diffusers
import torch
from diffusers import DDIMScheduler
from safetensors.torch import save_file

tensors = {}
for name in ("linear", "scaled_linear", "squaredcos_cap_v2"):
    for zero in (False, True):
        scheduler = DDIMScheduler(beta_schedule=name, rescale_betas_zero_snr=zero)
        tensors[f"{name}.{'zero' if zero else 'plain'}"] = scheduler.alphas_cumprod.clone()
for spacing in ("linspace", "leading", "trailing"):
    for n in (1, 7, 10, 50, 333):
        scheduler = DDIMScheduler(timestep_spacing=spacing)
        scheduler.set_timesteps(n)
        tensors[f"timesteps.{spacing}.{n}"] = scheduler.timesteps.to(torch.int64)
save_file(tensors, pathlib.Path(__file__).parent.parent / "tests/golden/schedules.safetensors",
          {"torch": torch.__version__, "diffusers": diffusers.__version__})
