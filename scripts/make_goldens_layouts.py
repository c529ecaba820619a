"""Goldens of other programs' layouts: what U-Nets of the original equations give, with the names that the originals have.

Each network below is written after its original in the fewest lines: DDPM's PyTorch port (Esser's pytorch_diffusion, Song's
ddim, models/diffusion.py), improved-diffusion and guided-diffusion (unet.py), consistency models (cm/unet.py), EDM
(training/networks.py, DhariwalUNet). The forward pass asks for a weight by name and shape, whose values are a hash of the name
and the place, so the test makes the same file and the golden holds the outputs alone, in float64.

Writes tests/golden/layouts.safetensors. Made with torch 2.13.0 and numpy 2.4.6: pip install torch==2.13.0 numpy safetensors
"""
import json
import math
import os

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

def values(name, shape):
    """Evenly spread in +- 1/2, times a power of two near 2 / sqrt(fan in), in float32; norms around 1."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 & 0xFFFFFFFF
    i = np.arange(math.prod(shape), dtype=np.uint32)
    h = i * np.uint32(2654435761) + np.uint32(seed)
    for _ in range(2):
        h = (h ^ (h >> np.uint32(16))) * np.uint32(0x45D9F3B)
    h ^= h >> np.uint32(16)
    unit = (h >> np.uint32(8)).astype(np.float32) / np.float32(1 << 24) - np.float32(0.5)
    if len(shape) == 1:
        return (unit / 4 + (1 if name.endswith(".weight") else 0)).reshape(shape)  # weights of one extent are those of norms
    fan, scale = math.prod(shape[1:]), 2.0
    while fan >= 4:
        fan, scale = fan // 4, scale / 2
    return (unit * np.float32(scale)).reshape(shape)


class Weights:
    def __init__(self):
        self.shapes = {}

    def __call__(self, name, *shape):
        self.shapes[name] = list(shape)
        return torch.from_numpy(values(name, shape)).double()

    def pair(self, name, *shape):
        return self(name + ".weight", *shape), self(name + ".bias", shape[0])


def linear(w, name, x, out):
    return F.linear(x, *w.pair(name, out, x.shape[-1]))


def conv(w, name, x, out, kernel=3, stride=1, padding=None):
    return F.conv2d(x, *w.pair(name, out, x.shape[1], kernel, kernel), stride, kernel // 2 if padding is None else padding)


def norm(w, name, x, eps, groups=32):
    return F.group_norm(x, groups, *w.pair(name, x.shape[1]), eps)


def attend(q, k, v, heads):
    """(N, C, L) each, heads first in C."""
    n, c, length = q.shape
    q, k, v = (a.reshape(n, heads, c // heads, length) for a in (q, k, v))
    weight = torch.einsum("nhct,nhcs->nhts", q, k / math.sqrt(c // heads)).softmax(-1)
    return torch.einsum("nhts,nhcs->nhct", weight, v).reshape(n, c, length)


def ddpm(w, x, t, ch=32, mult=(1, 2, 2), layers=1, attends=(1,), out=3):
    def block(name, h, to):
        a = conv(w, name + ".conv1", F.silu(norm(w, name + ".norm1", h, 1e-6)), to)
        a = a + linear(w, name + ".temb_proj", F.silu(temb), to)[:, :, None, None]
        a = conv(w, name + ".conv2", F.silu(norm(w, name + ".norm2", a, 1e-6)), to)
        return a + (h if h.shape[1] == to else conv(w, name + ".nin_shortcut", h, to, 1))

    def attention(name, h):
        a, c = norm(w, name + ".norm", h, 1e-6), h.shape[1]
        q, k, v = (conv(w, f"{name}.{p}", a, c, 1).flatten(2) for p in "qkv")
        return h + conv(w, name + ".proj_out", attend(q, k, v, 1).reshape(h.shape), c, 1)

    half = ch // 2
    freq = torch.exp(torch.arange(half).double() * (-math.log(10000) / (half - 1)))
    temb = torch.cat([torch.sin(t[:, None] * freq), torch.cos(t[:, None] * freq)], 1)
    temb = linear(w, "temb.dense.1", F.silu(linear(w, "temb.dense.0", temb, 4 * ch)), 4 * ch)
    hs = [conv(w, "conv_in", x, ch)]
    for i, m in enumerate(mult):
        for j in range(layers):
            h = block(f"down.{i}.block.{j}", hs[-1], m * ch)
            hs.append(attention(f"down.{i}.attn.{j}", h) if i in attends else h)
        if i + 1 < len(mult):
            hs.append(conv(w, f"down.{i}.downsample.conv", F.pad(hs[-1], (0, 1, 0, 1)), m * ch, stride=2, padding=0))
    h = block("mid.block_2", attention("mid.attn_1", block("mid.block_1", hs[-1], mult[-1] * ch)), mult[-1] * ch)
    for i, m in reversed(list(enumerate(mult))):
        for j in range(layers + 1):
            h = block(f"up.{i}.block.{j}", torch.cat([h, hs.pop()], 1), m * ch)
            h = attention(f"up.{i}.attn.{j}", h) if i in attends else h
        if i > 0:
            h = conv(w, f"up.{i}.upsample.conv", F.interpolate(h, scale_factor=2.0), m * ch)
    return conv(w, "conv_out", F.silu(norm(w, "norm_out", h, 1e-6)), out)


def guided(w, x, t, y=None, ch=32, mult=(1, 2), layers=2, attends=(1,), head=16, updown=False, shift=False, order="legacy",
           rank=3, out=6, classes=0):
    def block(name, h, to, resize=None):
        a = F.silu(norm(w, name + ".in_layers.0", h, 1e-5))
        if resize:
            a, h = resize(a), resize(h)
        a = conv(w, name + ".in_layers.2", a, to)
        e = linear(w, name + ".emb_layers.1", F.silu(emb), 2 * to if shift else to)[:, :, None, None]
        if shift:
            scale, add = e.chunk(2, 1)
            a = norm(w, name + ".out_layers.0", a, 1e-5) * (1 + scale) + add
        else:
            a = norm(w, name + ".out_layers.0", a + e, 1e-5)
        a = conv(w, name + ".out_layers.3", F.silu(a), to)
        return a + (h if h.shape[1] == to else conv(w, name + ".skip_connection", h, to, 1))

    def attention(name, h):
        n, c = h.shape[:2]
        ones, heads = (1,) * (rank - 2), c // head
        matrix, bias = w(name + ".qkv.weight", 3 * c, c, *ones), w(name + ".qkv.bias", 3 * c)
        tokens = norm(w, name + ".norm", h, 1e-5).flatten(2).transpose(1, 2)
        qkv = F.linear(tokens, matrix.reshape(3 * c, c), bias).transpose(1, 2)
        if order == "legacy":  # heads, then q, k, v
            q, k, v = (p.reshape(n, c, -1) for p in qkv.reshape(n, heads, 3, head, -1).unbind(2))
        else:
            q, k, v = qkv.chunk(3, 1)
        a = F.linear(attend(q, k, v, heads).transpose(1, 2), w(name + ".proj_out.weight", c, c, *ones).reshape(c, c),
                     w(name + ".proj_out.bias", c))
        return h + a.transpose(1, 2).reshape(h.shape)

    freq = torch.exp(-math.log(10000) * torch.arange(ch // 2).double() / (ch // 2))
    emb = torch.cat([torch.cos(t[:, None] * freq), torch.sin(t[:, None] * freq)], 1)
    emb = linear(w, "time_embed.2", F.silu(linear(w, "time_embed.0", emb, 4 * ch)), 4 * ch)
    if classes:
        emb = emb + w("label_emb.weight", classes, 4 * ch)[y]
    up = lambda a: F.interpolate(a, scale_factor=2.0)
    n, h = 1, conv(w, "input_blocks.0.0", x, ch)
    hs = [h]
    for i, m in enumerate(mult):
        for _ in range(layers):
            h = block(f"input_blocks.{n}.0", h, m * ch)
            h = attention(f"input_blocks.{n}.1", h) if i in attends else h
            hs.append(h)
            n += 1
        if i + 1 < len(mult):
            h = block(f"input_blocks.{n}.0", h, m * ch, lambda a: F.avg_pool2d(a, 2)) if updown else \
                conv(w, f"input_blocks.{n}.0.op", h, m * ch, stride=2)
            hs.append(h)
            n += 1
    h = block("middle_block.2", attention("middle_block.1", block("middle_block.0", h, mult[-1] * ch)), mult[-1] * ch)
    n = 0
    for i, m in reversed(list(enumerate(mult))):
        for j in range(layers + 1):
            h = block(f"output_blocks.{n}.0", torch.cat([h, hs.pop()], 1), m * ch)
            h = attention(f"output_blocks.{n}.1", h) if i in attends else h
            if i > 0 and j == layers:
                place = f"output_blocks.{n}.{2 if i in attends else 1}"
                h = block(place, h, m * ch, up) if updown else conv(w, place + ".conv", up(h), m * ch)
            n += 1
    return conv(w, "out.2", F.silu(norm(w, "out.0", h, 1e-5)), out)


def edm(w, x, t, y, size=8, ch=128, mult=(1, 1), layers=1, attends=(1,), classes=3, head=64):
    def block(name, h, to, resize=None, attention=False):
        a = F.silu(norm(w, name + ".norm0", h, 1e-5))
        if resize:
            a, h = resize(a), resize(h)
            w(name + ".conv0.resample_filter", 1, 1, 2, 2), w(name + ".skip.resample_filter", 1, 1, 2, 2)
        a = conv(w, name + ".conv0", a, to)
        scale, add = linear(w, name + ".affine", emb, 2 * to)[:, :, None, None].chunk(2, 1)
        a = F.silu(torch.addcmul(add, norm(w, name + ".norm1", a, 1e-5), scale + 1))
        a = conv(w, name + ".conv1", a, to)
        h = a + (h if h.shape[1] == to else conv(w, name + ".skip", h, to, 1))
        if attention:
            n, heads = h.shape[0], to // head
            qkv = conv(w, name + ".qkv", norm(w, name + ".norm2", h, 1e-5), 3 * to, 1)
            q, k, v = (p.reshape(n, to, -1) for p in qkv.reshape(n, to, 3, -1).unbind(2))
            h = conv(w, name + ".proj", attend(q, k, v, heads).reshape(h.shape), to, 1) + h
        return h

    freq = (1 / 10000) ** (torch.arange(ch // 2).double() / (ch // 2))
    emb = torch.cat([torch.cos(t[:, None] * freq), torch.sin(t[:, None] * freq)], 1)
    w("map_augment.weight", ch, 9)
    emb = linear(w, "map_layer1", F.silu(linear(w, "map_layer0", emb, 4 * ch)), 4 * ch)
    emb = F.silu(emb + F.one_hot(y, classes).double() @ w("map_label.weight", 4 * ch, classes).T)
    hs = []
    for i, m in enumerate(mult):
        s = f"enc.{size >> i}x{size >> i}_"
        h = conv(w, s + "conv", x, ch) if i == 0 else block(s + "down", hs[-1], hs[-1].shape[1], lambda a: F.avg_pool2d(a, 2))
        hs.append(h)
        for j in range(layers):
            hs.append(block(f"{s}block{j}", hs[-1], m * ch, attention=i in attends))
    h = hs[-1]
    for i, m in reversed(list(enumerate(mult))):
        s = f"dec.{size >> i}x{size >> i}_"
        if i + 1 == len(mult):
            h = block(s + "in1", block(s + "in0", h, h.shape[1], attention=True), h.shape[1])
        else:
            h = block(s + "up", h, h.shape[1], lambda a: F.interpolate(a, scale_factor=2.0))
        for j in range(layers + 1):
            h = block(f"{s}block{j}", torch.cat([h, hs.pop()], 1), m * ch, attention=i in attends)
    return conv(w, "out_conv", F.silu(norm(w, "out_norm", h, 1e-5)), 3)


CASES = {
    "ddpm": (ddpm, {}),
    "improved": (guided, dict(classes=3, mult=(1, 2, 2), layers=1, attends=(1, 2), head=32)),
    "guided": (guided, dict(updown=True, shift=True, attends=(1,), head=16)),
    "guided_new_order": (guided, dict(layers=1, attends=(0, 1), head=8, order="new", out=3)),
    "consistency": (guided, dict(updown=True, layers=1, order="new", rank=4, head=16, classes=3, shift=True, out=3)),
    "edm": (edm, {}),
}


def main():
    tensors, shapes = {}, {}
    for name, (network, options) in CASES.items():
        torch.manual_seed(len(name))
        x, t, y = torch.randn(2, 3, 8, 8), torch.tensor([3.0, 721.0]), torch.tensor([2, 0])
        labels = () if network is ddpm or (network is guided and not options.get("classes")) else (y,)
        w = Weights()
        out = network(w, x.double(), t.double(), *labels, **options)
        nhwc = lambda v: v.permute(0, 2, 3, 1).float().contiguous()
        tensors |= {f"{name}.x": nhwc(x), f"{name}.t": t, f"{name}.y": nhwc(out)}
        if labels:
            tensors[f"{name}.class_labels"] = y
        shapes[name] = w.shapes
        print(name, len(w.shapes), sum(math.prod(s) for s in w.shapes.values()), float(out.abs().mean()))
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden")
    save_file(tensors, os.path.join(folder, "layouts.safetensors"),
              metadata={"shapes": json.dumps(shapes, separators=(",", ":")), "torch": torch.__version__, "numpy": np.__version__})


if __name__ == "__main__":
    main()
