"""Ten AdamW steps with an average of the weights on a small U-Net: tests/golden/train.safetensors.
Needs torch 2.13.0, diffusers 0.42.1, safetensors. The steps run in float64 from float32 weights."""
import json
import pathlib

import diffusers
import torch
from diffusers import DDPMScheduler, UNet2DModel
from safetensors.torch import save_file

STEPS, BATCH = 10, 4
torch.manual_seed(0)
config = dict(sample_size=8, in_channels=1, out_channels=1, block_out_channels=(8, 16), layers_per_block=1,
              down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
              attention_head_dim=8, norm_num_groups=4)
net = UNet2DModel(**config)
tensors = {f"weight.{name}": p.detach().clone() for name, p in net.named_parameters()}
net = net.double()
x = torch.rand(STEPS, BATCH, 1, 8, 8) * 2 - 1
noise = torch.randn(STEPS, BATCH, 1, 8, 8)
t = torch.randint(0, 1000, (STEPS, BATCH))
scheduler = DDPMScheduler()
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-2)
average = [p.detach().clone() for p in net.parameters()]
losses, norms = [], []
for i in range(STEPS):
    noisy = scheduler.add_noise(x[i].double(), noise[i].double(), t[i])
    loss = torch.nn.functional.mse_loss(net(noisy, t[i]).sample, noise[i].double())
    optimizer.zero_grad()
    loss.backward()
    norms.append(torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0))
    optimizer.step()
    decay = min(0.999, (1 + (i + 1)) / (10 + (i + 1)))
    for a, p in zip(average, net.parameters()):
        a.mul_(decay).add_(p.detach(), alpha=1 - decay)
    losses.append(loss.detach())
for (name, p), a in zip(net.named_parameters(), average):
    tensors[f"final.{name}"] = p.detach().float()
    tensors[f"average.{name}"] = a.float()
tensors |= {"x": x.permute(0, 1, 3, 4, 2).contiguous(), "noise": noise.permute(0, 1, 3, 4, 2).contiguous(), "t": t,
            "losses": torch.stack(losses).float(), "norms": torch.stack(norms).float()}
save_file(tensors, pathlib.Path(__file__).parent.parent / "tests/golden/train.safetensors",
          {"torch": torch.__version__, "diffusers": diffusers.__version__, "config": json.dumps(config)})
