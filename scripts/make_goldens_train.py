"""Training as diffusers' scripts do it, 20 steps of a small U-Net three ways: tests/golden/train.safetensors.
Needs torch 2.13.0, diffusers 0.42.1, safetensors. The steps run in float64 from float32 weights.

As in train_unconditional.py under accelerate: the loss of a micro-batch is divided by their number, the rate moves once an
update, and its warm-up and length are given in micro-batches. The metadata also holds values of the learning rates
(LambdaLR) and of the average's decay (EMAModel.get_decay) by themselves."""
import json
import pathlib

import diffusers
import torch
from diffusers import DDPMScheduler, UNet2DModel
from diffusers.optimization import (get_cosine_schedule_with_warmup, get_polynomial_decay_schedule_with_warmup,
                                    get_scheduler)
from diffusers.training_utils import EMAModel, compute_snr
from safetensors.torch import save_file

STEPS, BATCH, ACCUMULATE, GAMMA = 20, 4, 2, 5.0
CONFIG = dict(sample_size=8, in_channels=1, out_channels=1, block_out_channels=(4, 8), layers_per_block=1,
              down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
              attention_head_dim=8, norm_num_groups=2)
SCHEDULER = DDPMScheduler()


def epsilon_loss(output, x, noise, t):
    return torch.nn.functional.mse_loss(output, noise)


def sample_loss(output, x, noise, t):
    alpha = SCHEDULER.alphas_cumprod[t].double().reshape(-1, 1, 1, 1)
    return (alpha / (1 - alpha) * torch.nn.functional.mse_loss(output, x, reduction="none")).mean()


def velocity_loss(output, x, noise, t):
    snr = compute_snr(SCHEDULER, t).double()
    weight = snr.clamp(max=GAMMA) / (snr + 1)
    loss = torch.nn.functional.mse_loss(output, SCHEDULER.get_velocity(x, noise, t), reduction="none")
    return (loss.mean(dim=[1, 2, 3]) * weight).mean()


CASES = {
    "epsilon": dict(loss=epsilon_loss, accumulate=2, adam=dict(lr=1e-3, betas=(0.95, 0.999), eps=1e-8, weight_decay=1e-6),
                    rate=lambda o: get_scheduler("cosine", o, num_warmup_steps=3 * 2, num_training_steps=STEPS * 2),
                    ema=dict(decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=3 / 4)),
    "sample": dict(loss=sample_loss, accumulate=1, adam=dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2),
                   rate=lambda o: get_scheduler("linear", o, num_warmup_steps=4, num_training_steps=STEPS),
                   ema=dict(decay=0.99, min_decay=0.9, update_after_step=3)),
    "v_prediction": dict(loss=velocity_loss, accumulate=2, adam=dict(lr=2e-3, betas=(0.9, 0.99), eps=1e-6, weight_decay=1e-2),
                         rate=lambda o: get_polynomial_decay_schedule_with_warmup(o, 2, STEPS, lr_end=1e-4, power=2.0),
                         ema=dict(decay=0.999, update_after_step=-1)),
}


def trained(weights, x, noise, t, loss, accumulate, adam, rate, ema):
    net = UNet2DModel(**CONFIG).double()
    net.load_state_dict(weights)
    optimizer = torch.optim.AdamW(net.parameters(), **adam)
    schedule, average = rate(optimizer), EMAModel(net.parameters(), **ema)
    report = {"losses": [], "norms": [], "rates": []}
    for i in range(STEPS):
        total = 0
        for k in range(i * accumulate, (i + 1) * accumulate):
            noisy = SCHEDULER.add_noise(x[k].double(), noise[k].double(), t[k])
            part = loss(net(noisy, t[k]).sample, x[k].double(), noise[k].double(), t[k]) / accumulate
            part.backward()
            total += part.item()
        report["losses"].append(total)
        report["norms"].append(torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0).item())
        report["rates"].append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        average.step(net.parameters())
    return net, average, report


def rates(make, steps=30, rate=2e-3):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    schedule, values = make(optimizer), []
    for _ in range(steps):
        values.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return values


torch.manual_seed(0)
net = UNet2DModel(**CONFIG)
tensors = {f"weight.{name}": p.detach().clone() for name, p in net.named_parameters()}
x = torch.rand(STEPS * ACCUMULATE, BATCH, 1, 8, 8) * 2 - 1
noise = torch.randn(STEPS * ACCUMULATE, BATCH, 1, 8, 8)
t = torch.randint(0, 1000, (STEPS * ACCUMULATE, BATCH))
tensors |= {"x": x.permute(0, 1, 3, 4, 2).contiguous(), "noise": noise.permute(0, 1, 3, 4, 2).contiguous(), "t": t}
reports = {}
for case, options in CASES.items():
    net_after, average, reports[case] = trained(net.state_dict(), x, noise, t, **options)
    for (name, p), a in zip(net_after.named_parameters(), average.shadow_params):
        tensors[f"{case}.final.{name}"] = p.detach().float()
        tensors[f"{case}.average.{name}"] = a.float()

# Some go on beyond the last of their 24 steps.
schedules = {
    "constant": lambda o: get_scheduler("constant", o),
    "constant_with_warmup 5": lambda o: get_scheduler("constant_with_warmup", o, num_warmup_steps=5),
    "linear 5": lambda o: get_scheduler("linear", o, num_warmup_steps=5, num_training_steps=24),
    "linear 0": lambda o: get_scheduler("linear", o, num_warmup_steps=0, num_training_steps=24),
    "cosine 5": lambda o: get_scheduler("cosine", o, num_warmup_steps=5, num_training_steps=24),
    "cosine 1 cycles 1.75": lambda o: get_cosine_schedule_with_warmup(o, 1, 24, num_cycles=1.75),
    "cosine_with_restarts 5": lambda o: get_scheduler("cosine_with_restarts", o, num_warmup_steps=5, num_training_steps=24),
    "cosine_with_restarts 3 cycles 3": lambda o: get_scheduler("cosine_with_restarts", o, num_warmup_steps=3,
                                                               num_training_steps=24, num_cycles=3),
    "polynomial 5": lambda o: get_scheduler("polynomial", o, num_warmup_steps=5, num_training_steps=24),
    "polynomial 2 power 2.5 end 1e-4": lambda o: get_polynomial_decay_schedule_with_warmup(o, 2, 24, lr_end=1e-4, power=2.5),
    "piecewise_constant": lambda o: get_scheduler("piecewise_constant", o, step_rules="1:10,0.1:20,0.01:25,0.005"),
}
averages = [dict(), dict(update_after_step=-1), dict(decay=0.999, use_ema_warmup=True, inv_gamma=1.0, power=3 / 4),
            dict(decay=0.7, min_decay=0.2, update_after_step=10, use_ema_warmup=True, inv_gamma=4.0, power=2 / 3),
            dict(decay=0.5, min_decay=0.25, update_after_step=3)]
updates = list(range(1, 31)) + [1000, 100000, 10000000]
metadata = {
    "reports": reports,
    "rates": {name: rates(make) for name, make in schedules.items()},
    "decays": [o | {"updates": updates, "values": [EMAModel([], **o).get_decay(n) for n in updates]} for o in averages],
}
save_file(tensors, pathlib.Path(__file__).parent.parent / "tests/golden/train.safetensors",
          {"torch": torch.__version__, "diffusers": diffusers.__version__, "config": json.dumps(CONFIG)} |
          {name: json.dumps(value) for name, value in metadata.items()})
