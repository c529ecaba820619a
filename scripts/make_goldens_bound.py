"""The hybrid loss of a learned variance, in float64 from the formulas of [Nichol2021]: tests/golden/bound.safetensors.

Needs torch 2.13.0, safetensors. Loss of a sample = mean squared error of eps + T / 1000 times the bound in bits a dimension,
the mean detached; gradients by torch's autograd.
"""
import math
import pathlib

import torch
from safetensors.torch import save_file
from torch.distributions import Normal, kl_divergence

torch.manual_seed(0)
T, t = 1000, torch.tensor([0, 0, 1, 17, 500, 999])
N, C = len(t), 2
f = lambda u: math.cos((u / T + 0.008) / 1.008 * math.pi / 2) ** 2
beta = torch.tensor([min(1 - f(i + 1) / f(i), 0.999) for i in range(T)], dtype=torch.float64)
bar = torch.cumprod(1 - beta, 0)
before = torch.cat([torch.ones(1, dtype=torch.float64), bar[:-1]])
posterior = beta * (1 - before) / (1 - bar)
log_posterior = torch.log(torch.cat([posterior[1:2], posterior[1:]]))

pixels = torch.randint(0, 256, (N, 3, 3, C))
pixels[:, 0, 0, 0], pixels[:, 0, 1, 1] = 0, 255
x0 = (pixels.double() / 127.5 - 1).float()
eps = torch.randn(N, 3, 3, C)
raw = torch.cat([eps + 0.05 * torch.randn(eps.shape), torch.rand(eps.shape) * 2.4 - 1.2], -1)

at = lambda table: table[t].view(N, 1, 1, 1)
output = raw.double().requires_grad_()
predicted_eps, v = output[..., :C], output[..., C:]
x = at(bar).sqrt() * x0.double() + (1 - at(bar)).sqrt() * eps.double()
mse = ((predicted_eps - eps.double()) ** 2).mean((1, 2, 3))
predicted = (x - (1 - at(bar)).sqrt() * predicted_eps.detach()) / at(bar).sqrt()
mean = lambda x0: (at(before).sqrt() * at(beta) * x0 + (1 - at(beta)).sqrt() * (1 - at(before)) * x) / (1 - at(bar))
deviation = torch.exp(((1 + v) / 2 * at(beta.log()) + (1 - v) / 2 * at(log_posterior)) / 2)
model = Normal(mean(predicted), deviation)


def decoder(kind):
    if kind == "gaussian":
        return -model.log_prob(x0.double())
    low, high = model.cdf(x0.double() - 1 / 255), model.cdf(x0.double() + 1 / 255)
    low, high = torch.where(x0 < -0.999, 0.0, low), torch.where(x0 > 0.999, 1.0, high)
    return -torch.log((high - low).clamp(min=1e-12))


tensors = {"x0": x0, "eps": eps, "t": t, "output": raw}
for kind in ("eight_bit", "gaussian"):
    true = Normal(mean(x0.double()), torch.exp(at(log_posterior) / 2))
    nats = torch.where(at(torch.arange(T)) == 0, decoder(kind), kl_divergence(true, model))
    loss = mse + T / 1000 * nats.mean((1, 2, 3)) / math.log(2)
    (gradient,) = torch.autograd.grad(loss.sum(), output, retain_graph=True)
    tensors[kind + ".loss"], tensors[kind + ".gradient"] = loss.detach().float(), gradient.float()
save_file(tensors, pathlib.Path(__file__).parent.parent / "tests/golden/bound.safetensors", {"torch": torch.__version__})
print({k: v for k, v in tensors.items() if k.endswith("loss")})
