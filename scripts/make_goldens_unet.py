"""Goldens of the U-Net: outputs and gradients of diffusers' UNet2DModel in float64 from float32 weights.

Writes tests/golden/unet_*.safetensors with the configuration in the metadata. Networks whose blocks need many channels are in
KEYED: their weights are not stored, but made by `keyed` here and in tests/support/unet_golden.hpp, and of each gradient about
SAMPLES elements are.
Made with torch 2.13.0 and diffusers 0.42.1: pip install torch==2.13.0; pip install diffusers==0.42.1 safetensors
"""
import json
import os
import sys

import diffusers
import numpy
import torch
from diffusers import UNet2DModel
from safetensors.torch import save_file

CONFIGS = {
    "ddpm": dict(sample_size=8, in_channels=3, out_channels=3, block_out_channels=(8, 16), layers_per_block=1,
                 down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
                 attention_head_dim=None, downsample_padding=0, flip_sin_to_cos=False, freq_shift=1, norm_eps=1e-6,
                 norm_num_groups=4),
    "classes": dict(sample_size=(8, 12), in_channels=1, out_channels=2, block_out_channels=(4, 8), layers_per_block=2,
                    down_block_types=("AttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "AttnUpBlock2D"),
                    attention_head_dim=4, norm_num_groups=2, resnet_time_scale_shift="scale_shift", downsample_type="resnet",
                    upsample_type="resnet", num_class_embeds=5, mid_block_scale_factor=1.5, time_embedding_dim=24),
    "resnet": dict(sample_size=12, in_channels=2, out_channels=2, block_out_channels=(6, 12, 12), layers_per_block=1,
                   down_block_types=("ResnetDownsampleBlock2D", "AttnDownBlock2D", "DownBlock2D"),
                   up_block_types=("UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"), attention_head_dim=3,
                   norm_num_groups=3, act_fn="gelu", center_input_sample=True, add_attention=False,
                   class_embed_type="timestep"),
    "middle": dict(sample_size=8, in_channels=4, out_channels=8, block_out_channels=(8, 8), layers_per_block=1,
                   down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"),
                   attention_head_dim=8, norm_num_groups=2, attn_norm_num_groups=4, class_embed_type="identity",
                   act_fn="mish", norm_eps=1e-3),
    "nomiddle": dict(sample_size=8, in_channels=3, out_channels=3, block_out_channels=(8, 16), layers_per_block=1,
                     down_block_types=("AttnDownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "AttnUpBlock2D"),
                     attention_head_dim=8, norm_num_groups=8, mid_block_type=None, act_fn="relu"),
    "ncsnpp": dict(sample_size=(8, 12), in_channels=3, out_channels=3, block_out_channels=(32, 32), layers_per_block=1,
                   time_embedding_type="fourier", down_block_types=("SkipDownBlock2D", "AttnSkipDownBlock2D"),
                   up_block_types=("AttnSkipUpBlock2D", "SkipUpBlock2D"), attention_head_dim=None, norm_num_groups=None,
                   norm_eps=1e-6, mid_block_scale_factor=2 ** 0.5),
    "skips": dict(sample_size=8, in_channels=3, out_channels=3, block_out_channels=(32, 16), layers_per_block=1,
                  down_block_types=("AttnSkipDownBlock2D", "SkipDownBlock2D"), center_input_sample=True,
                  up_block_types=("SkipUpBlock2D", "AttnSkipUpBlock2D"), attention_head_dim=8, norm_num_groups=4,
                  resnet_time_scale_shift="scale_shift", act_fn="mish", num_class_embeds=5),
    "learned": dict(sample_size=8, in_channels=2, out_channels=2, block_out_channels=(8, 8), layers_per_block=1,
                    time_embedding_type="learned", num_train_timesteps=10, down_block_types=("AttnDownBlock2D", "DownBlock2D"),
                    up_block_types=("UpBlock2D", "AttnUpBlock2D"), attention_head_dim=3, norm_num_groups=4,
                    class_embed_type="timestep"),
    "guided": dict(sample_size=8, in_channels=3, out_channels=6, block_out_channels=(8, 16), layers_per_block=2,
                   down_block_types=("ResnetDownsampleBlock2D", "AttnDownBlock2D"), downsample_type="resnet",
                   up_block_types=("AttnUpBlock2D", "ResnetUpsampleBlock2D"), upsample_type="resnet", attention_head_dim=4,
                   norm_num_groups=4, attn_norm_num_groups=2, resnet_time_scale_shift="scale_shift", num_class_embeds=6),
    "k": dict(sample_size=8, in_channels=3, out_channels=3, block_out_channels=(32, 64), layers_per_block=2,
              time_embedding_type="fourier", down_block_types=("KDownBlock2D", "KDownBlock2D"),
              up_block_types=("KUpBlock2D", "KUpBlock2D"), attention_head_dim=16, act_fn="gelu", class_embed_type="timestep"),
    "knarrow": dict(sample_size=8, in_channels=3, out_channels=3, block_out_channels=(64, 32), layers_per_block=1,
                    down_block_types=("KDownBlock2D", "KDownBlock2D"), up_block_types=("KUpBlock2D", "KUpBlock2D"),
                    mid_block_type=None),
}
KEYED = ("ncsnpp", "skips", "learned", "guided", "k", "knarrow")
SAMPLES = 64


def keyed(name, shape):
    """Weights as a function of name and element: uniform of deviation 1 / sqrt(fan in), 16 for frequencies, near 1 for norms."""
    seed = 0xcbf29ce484222325  # FNV-1a
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001b3 % 2**64
    count = int(numpy.prod(shape))
    h = (numpy.arange(count, dtype=numpy.uint64) + numpy.uint64(seed % 2**32)) % numpy.uint64(2**32)
    for shift, factor in ((16, 0x7feb352d), (15, 0x846ca68b)):
        h = (h ^ (h >> numpy.uint64(shift))) * numpy.uint64(factor) % numpy.uint64(2**32)
    u = 2 * ((h ^ (h >> numpy.uint64(16))).astype(numpy.float64) / 2**32) - 1
    if len(shape) > 1:
        u *= numpy.sqrt(3 * shape[0] / count)
    elif name == "time_proj.weight":
        u *= 16
    elif name.endswith("weight"):
        u = 1 + 0.1 * u
    else:
        u *= 0.1
    return torch.from_numpy(u.astype(numpy.float32)).reshape(shape)


def sampled(gradient):
    stride = (gradient.numel() + SAMPLES - 1) // SAMPLES | 1
    return gradient.flatten()[::stride]


def main():
    chosen = sys.argv[1:] or CONFIGS
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden")
    for name in chosen:
        config = CONFIGS[name]
        torch.manual_seed(len(name))
        net = UNet2DModel(**config)
        for parameter in net.parameters():  # norms and biases away from 1 and 0
            parameter.data += 0.05 * torch.randn_like(parameter)
        if name in KEYED:
            for key, parameter in net.named_parameters():
                parameter.data = keyed(key, tuple(parameter.shape))
        weights = {key: value.detach().clone() for key, value in net.state_dict().items()}
        net = net.double()
        size = config["sample_size"]
        height, width = size if isinstance(size, tuple) else (size, size)
        x = torch.randn(2, config["in_channels"], height, width).double().requires_grad_()
        learned = config.get("time_embedding_type") == "learned"
        t = torch.tensor([3, 7]) if learned else torch.tensor([3.0, 721.0], dtype=torch.float64)
        labels, extra = None, {}
        if config.get("num_class_embeds"):
            labels = torch.tensor([4, 1])
            extra["in.class_labels"] = labels
        elif config.get("class_embed_type") == "timestep":
            labels = torch.tensor([2, 9]) if learned else torch.tensor([7.0, 400.0], dtype=torch.float64)
            extra["in.class_labels"] = labels.float()
        elif config.get("class_embed_type") == "identity":
            labels = torch.randn(2, 4 * config["block_out_channels"][0]).double()
            extra["in.class_labels"] = labels.float()
        if config.get("class_embed_type") == "timestep":  # diffusers leaves the sinusoids in float32
            net.class_embedding.register_forward_pre_hook(lambda module, args: (args[0].double(),))
        y = net(x, t, class_labels=labels, return_dict=False)[0]
        seed = torch.randn(y.shape).double()
        y.backward(seed)
        nhwc = lambda v: v.detach().permute(0, 2, 3, 1).float()
        tensors = {} if name in KEYED else {f"weight.{k}": v for k, v in weights.items()}
        cut = sampled if name in KEYED else lambda v: v
        tensors |= {f"grad.{k}": cut(v.grad.float()) for k, v in net.named_parameters() if v.requires_grad}
        tensors |= {"in.x": nhwc(x), "in.t": t.float(), "in.seed": nhwc(seed), "out.y": nhwc(y), "out.dx": nhwc(x.grad)} | extra
        save_file({k: v.contiguous() for k, v in tensors.items()}, os.path.join(folder, f"unet_{name}.safetensors"),
                  metadata={"config": json.dumps(dict(net.config), default=list), "torch": torch.__version__,
                            "diffusers": diffusers.__version__})
        print(name, sum(p.numel() for p in net.parameters()), float(y.abs().mean()))


if __name__ == "__main__":
    main()
