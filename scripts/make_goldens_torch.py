"""Numbers of PyTorch on the CPU: tests/golden/torch.safetensors.

randn of every length from 1 to 200, in turn and alone, and of longer tensors (3x32x32, 4x64x64, 4x128x128), as checksums: FNV-1a
of 64 bits over the bytes of the values, as int64. numpy's SeedSequence; torchsde's Brownian tree, and diffusers' noise from it.
Linux on x86-64 (variant a).

Made with torch 2.13.0, numpy 2.4.6, torchsde 0.2.6, diffusers 0.42.1, safetensors 0.8.0.
"""
import json
import pathlib
import struct

import diffusers
import numpy as np
import torch
import torchsde
from diffusers.schedulers.scheduling_dpmsolver_sde import BrownianTreeNoiseSampler
from diffusers.utils.torch_utils import randn_tensor
from safetensors.torch import save_file

GOLDEN = pathlib.Path(__file__).parent.parent / "tests/golden/torch.safetensors"


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def checksum(x):
    h = 0xCBF29CE484222325
    for byte in x.contiguous().numpy().tobytes():
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return struct.unpack("<q", struct.pack("<Q", h))[0]


def integers(values):
    return torch.tensor(np.array(values, dtype=np.int64))


def randn(tensors):
    # One generator draws 1, 2, ..., 200 values one after another: its second small value lives on between draws.
    for seed in (0, 2 ** 40 + 7):
        g = seeded(seed)
        tensors[f"randn.in turn.{seed}"] = integers([checksum(torch.randn(n, generator=g)) for n in range(1, 201)])
    tensors["randn.alone"] = integers([checksum(torch.randn(n, generator=seeded(n))) for n in range(1, 201)])
    shapes = [(1, 3, 32, 32), (2, 3, 32, 32), (1, 4, 64, 64), (3, 4, 64, 64), (1, 4, 128, 128)]
    tensors["randn.shapes"] = integers(shapes)
    tensors["randn.long"] = integers([checksum(torch.randn(s, generator=seeded(42))) for s in shapes])
    lists = [randn_tensor((3, *s), generator=[seeded(k) for k in (5, 0, 77)]) for s in ((2, 4, 4), (1, 2, 2), (1, 3, 1))]
    for i, x in enumerate(lists):
        tensors[f"randn.list.{i}"] = x
    g = seeded(9)
    tensors["randint"] = integers([torch.randint(a, b, [], generator=g).item() for a, b in
                                   ((0, 2 ** 63 - 1), (0, 10), (-5, 2 ** 40), (3, 4), (0, 2 ** 63 - 1), (0, 2 ** 31))])
    tensors["randperm"] = integers(torch.randperm(50, generator=g))


SEQUENCES = [(0, ()), (1, (0, 0)), (2 ** 63 - 2, (5, 3)), (2 ** 32, (2 ** 33 + 1, 34)), (123456789, ())]


def sequences(tensors):
    for i, (entropy, key) in enumerate(SEQUENCES):
        sequence = np.random.SeedSequence(entropy, spawn_key=key, pool_size=24)
        tensors[f"sequence.{i}"] = integers(sequence.generate_state(30))


TREES = {  # entropy, low, high, shape, questions
    "unit": (3, 0.0, 1.0, (5,), [(0, 1), (0.5, 1), (0.25, 0.75), (0.1, 0.9), (0.1, 0.100001), (0.3333333, 0.7), (0.9, 0.95)]),
    "sigmas": (2 ** 62 + 11, 0.02916753850877285, 14.61464691162109375, (2, 3, 4),
               [(7, 14.614647), (5.5, 7), (0.02, 5.5), (0.029168, 0.03), (3, 20), (14.614646, 14.614647), (1e-7, 2.5e-7)]),
    "wide": (4, 0.002, 80.0, (16,), [(79, 80), (0.002, 0.0020011), (1.23456789, 56.789)]),
}


def trees(tensors):
    for name, (entropy, low, high, shape, questions) in TREES.items():
        tree = torchsde.BrownianTree(low, torch.zeros(shape), high, entropy=entropy)
        tensors[f"tree.{name}"] = torch.stack([tree(a, b) for a, b in questions])
        tensors[f"tree.{name}.of"] = torch.tensor([(a, b) for a, b in questions], dtype=torch.float64).view(torch.int64)


def samplers(tensors):
    """Latents of torch.manual_seed(8), then the noise of levels on the way down; and with a seed of the tree's own."""
    sigmas = [14.61464691162109375, 6.5, 2.125, 0.75, 0.02916753850877285]
    for name, seed in (("global", None), ("own", 21)):
        torch.manual_seed(8)
        x = torch.randn(3, 2, 4, 4)
        noise = BrownianTreeNoiseSampler(x, sigmas[-1], sigmas[0], seed)
        tensors[f"sampler.{name}"] = torch.stack([noise(a, b) for a, b in zip(sigmas, sigmas[1:])])
    tensors["sampler.latents"] = x


if __name__ == "__main__":
    tensors = {}
    for part in (randn, sequences, trees, samplers):
        part(tensors)
    save_file({k: v.contiguous() for k, v in tensors.items()}, GOLDEN,
              {"torch": torch.__version__, "numpy": np.__version__, "torchsde": torchsde.__version__,
               "diffusers": diffusers.__version__, "sequences": json.dumps(SEQUENCES),
               "trees": json.dumps({k: v[:3] for k, v in TREES.items()})})
