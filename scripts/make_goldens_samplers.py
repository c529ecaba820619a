"""Runs of diffusers' schedulers: tests/golden/samplers_FAMILY.safetensors, and the network of all of them.

  make_goldens_samplers.py [FAMILY ...]      families: the modules of sampler_cases/; none: all, and the network

For each case: every x (one a call of the network, and the last), the network's outputs, the noise of every draw, as
(count, N, H, W, C); and by how much the last x moves when each output is disturbed by 1e-6 of its size. The network is one
small random UNet2DModel (tests/golden/samplers_unet.safetensors; its weights are exact in half precision). Noise comes from
torch.Generator("cpu").manual_seed(seed): first the latents, then each step's. The metadata holds the configurations.

Made with torch 2.13.0, diffusers 0.42.1, safetensors 0.8.0, scipy and torchsde.
"""
import importlib
import inspect
import json
import math
import pathlib
import pkgutil
import sys

import diffusers
import torch
from diffusers import UNet2DModel
from safetensors.torch import save_file

import sampler_cases

GOLDEN = pathlib.Path(__file__).parent.parent / "tests/golden"
SHAPE = (2, 2, 4, 4)
UNET = dict(sample_size=4, in_channels=2, out_channels=2, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4,
            down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=8)


def network():
    torch.manual_seed(7)
    net = UNet2DModel(**UNET).eval()
    for parameter in net.parameters():
        parameter.data = parameter.data.half().float()
        parameter.requires_grad_(False)
    return net


class Recorder:
    """The network, with its outputs disturbed and kept; `learned` doubles the channels by a variance in [-1, 1], or one that
    is "positive"."""

    shape = SHAPE

    def __init__(self, net, disturb=0.0, learned=False, **_):
        self.net, self.disturb, self.learned = net, disturb, learned
        self.random = torch.Generator().manual_seed(2)
        self.xs, self.outputs, self.noises = [], [], []

    def __call__(self, x, t):
        y = self.net(x.float(), t).sample.to(x.dtype)
        if self.learned:
            variance = torch.tanh(y + 0.3)
            y = torch.cat([y, 0.5 + 0.4 * variance if self.learned == "positive" else variance], 1)
        y = y + self.disturb * y.abs().mean() * torch.randn(y.shape, generator=self.random)
        self.outputs.append(y)
        return y

    def keep(self, x):
        self.xs.append(x.detach().clone())

    def record_noise(self, scheduler):
        """Keeps what the scheduler's module draws by randn_tensor."""
        module = sys.modules[type(scheduler).__module__]
        if not hasattr(module, "randn_tensor"):
            return
        original = diffusers.utils.torch_utils.randn_tensor

        def draw(*args, **kwargs):
            self.noises.append(original(*args, **kwargs))
            return self.noises[-1]

        module.randn_tensor = draw


def usual_loop(case, scheduler, net, generator):
    """Latents times init_noise_sigma; scale_model_input, network, step. Flows have neither scale."""
    scheduler.set_timesteps(case["steps"], **case.get("set_timesteps", {}))
    if case.get("begin"):
        scheduler.set_begin_index(0)  # else a first timestep that stands twice begins at its second place
    x = torch.randn(SHAPE, generator=generator) * getattr(scheduler, "init_noise_sigma", 1)
    scale = getattr(scheduler, "scale_model_input", lambda x, t: x)
    if case.get("double"):  # the table stays what it is in float32, the steps are computed in float64
        scheduler.sigmas, x = scheduler.sigmas.double(), x.double()
    arguments = dict(case.get("arguments", {}))
    if "generator" in inspect.signature(scheduler.step).parameters:
        arguments["generator"] = generator
    for t in scheduler.timesteps:
        net.keep(x)
        y = net(scale(x, t), t)
        x = scheduler.step(y, t, x, **arguments)[0]
    net.keep(x)
    return x


def run(case, disturb=0.0):
    """case: class (a scheduler's name in diffusers, or a class), fields, steps, seed, arguments of step, begin, double, loop,
    tensors (N, C, H, W) that the options have beside those of JSON."""
    cls = case["class"]
    scheduler = (getattr(diffusers, cls) if isinstance(cls, str) else cls)(**case["fields"])
    net = Recorder(network(), disturb, **case)
    net.record_noise(scheduler)
    generator = torch.Generator("cpu").manual_seed(case.get("seed", 0))
    case.get("loop", usual_loop)(case, scheduler, net, generator)
    return net, dict(scheduler.config)


def channels_last(tensors):
    return torch.stack(tensors).float().permute(0, 1, 3, 4, 2).contiguous() if tensors else torch.zeros(0, 2, 4, 4, 2)


def jsonable(value):
    if isinstance(value, float) and math.isinf(value):
        return None  # lambda_min_clipped's default
    return list(value) if isinstance(value, (tuple, range)) else value


def make(family):
    module = importlib.import_module(f"sampler_cases.{family}")
    tensors, cases = {}, {}
    for name, case in module.CASES.items():
        net, config = run(case)
        moved = run(case, 1e-6)[0].xs[-1] - net.xs[-1]
        for key, values in (("x", net.xs), ("output", net.outputs), ("noise", net.noises)):
            tensors[f"{name}.{key}"] = channels_last(values)
        for key, value in case.get("tensors", {}).items():
            tensors[f"{name}.{key}"] = value.permute(0, 2, 3, 1).contiguous()
        assert torch.isfinite(net.xs[-1]).all(), name
        fields = {k: jsonable(v) for k, v in config.items() if not k.startswith("_")}
        cls = case["class"] if isinstance(case["class"], str) else case["class"].__name__
        cases[name] = dict(scheduler=dict(fields, _class_name=cls), steps=case["steps"], seed=case.get("seed", 0),
                           options=case.get("options", {}), learned=case.get("learned", False),
                           moved=float(moved.abs().max() / net.xs[-1].std()))
        print(f"{name:40} calls {len(net.outputs):3} deviation {float(net.xs[-1].std()):9.4f} moved {cases[name]['moved']:.1e}")
    save_file(tensors, GOLDEN / f"samplers_{family}.safetensors",
              {"torch": torch.__version__, "diffusers": diffusers.__version__, "cases": json.dumps(cases, sort_keys=True)})


if __name__ == "__main__":
    asked = sys.argv[1:]
    if not asked:
        net = network()
        save_file({f"weight.{k}": v.half().contiguous() for k, v in net.state_dict().items()}, GOLDEN / "samplers_unet.safetensors",
                  {"config": json.dumps(dict(net.config), default=list)})
    for family in asked or [m.name for m in pkgutil.iter_modules(sampler_cases.__path__)]:
        make(family)
