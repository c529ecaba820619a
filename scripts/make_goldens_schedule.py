"""Tables of diffusers' schedules: tests/golden/schedules.safetensors. Needs torch 2.13.0, diffusers 0.42.1, safetensors."""
import pathlib

import diffusers
import numpy as np
import torch
from diffusers import DDIMScheduler
from safetensors.torch import save_file

def rescaled(betas):
    """diffusers' rescale_zero_terminal_snr with IEEE square roots: torch's own err in the last bit on some machines."""
    one = np.float32(1)
    roots = np.sqrt(torch.cumprod(one - torch.from_numpy(betas), 0).numpy())
    first, last = roots[0], roots[-1]
    roots = (roots - last) * (first / (first - last))
    squares = roots * roots
    alphas = np.concatenate([squares[:1], squares[1:] / squares[:-1]])
    return torch.cumprod(one - torch.from_numpy(one - alphas), 0)


tensors = {}
for name in ("linear", "scaled_linear", "squaredcos_cap_v2"):
    plain = DDIMScheduler(beta_schedule=name)
    tensors[f"{name}.plain"] = plain.alphas_cumprod.clone()
    tensors[f"{name}.zero"] = rescaled(plain.betas.numpy())
    theirs = DDIMScheduler(beta_schedule=name, rescale_betas_zero_snr=True).alphas_cumprod
    assert torch.allclose(theirs, tensors[f"{name}.zero"], rtol=2e-5, atol=0)
for spacing in ("linspace", "leading", "trailing"):
    for n in (1, 7, 10, 50, 333):
        scheduler = DDIMScheduler(timestep_spacing=spacing)
        scheduler.set_timesteps(n)
        tensors[f"timesteps.{spacing}.{n}"] = scheduler.timesteps.to(torch.int64)
save_file(tensors, pathlib.Path(__file__).parent.parent / "tests/golden/schedules.safetensors",
          {"torch": torch.__version__, "diffusers": diffusers.__version__})
