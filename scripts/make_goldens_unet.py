"""Goldens of the U-Net: outputs and gradients of diffusers' UNet2DModel in float64 from float32 weights.

Writes tests/golden/unet_*.safetensors with the configuration in the metadata.
Made with torch 2.13.0 and diffusers 0.42.1: pip install torch==2.13.0; pip install diffusers==0.42.1 safetensors
"""
import json
import os

import diffusers
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
}


def main():
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden")
    for name, config in CONFIGS.items():
        torch.manual_seed(len(name))
        net = UNet2DModel(**config)
        for parameter in net.parameters():  # norms and biases away from 1 and 0
            parameter.data += 0.05 * torch.randn_like(parameter)
        weights = {key: value.detach().clone() for key, value in net.state_dict().items()}
        net = net.double()
        size = config["sample_size"]
        height, width = size if isinstance(size, tuple) else (size, size)
        x = torch.randn(2, config["in_channels"], height, width).double().requires_grad_()
        t = torch.tensor([3.0, 721.0], dtype=torch.float64)
        labels, extra = None, {}
        if config.get("num_class_embeds"):
            labels = torch.tensor([4, 1])
            extra["in.class_labels"] = labels
        elif config.get("class_embed_type") == "timestep":
            labels = torch.tensor([7.0, 400.0], dtype=torch.float64)
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
        tensors = {f"weight.{k}": v for k, v in weights.items()}
        tensors |= {f"grad.{k}": v.grad.float() for k, v in net.named_parameters()}
        tensors |= {"in.x": nhwc(x), "in.t": t.float(), "in.seed": nhwc(seed), "out.y": nhwc(y), "out.dx": nhwc(x.grad)} | extra
        save_file({k: v.contiguous() for k, v in tensors.items()}, os.path.join(folder, f"unet_{name}.safetensors"),
                  metadata={"config": json.dumps(dict(net.config), default=list), "torch": torch.__version__,
                            "diffusers": diffusers.__version__})
        print(name, sum(p.numel() for p in net.parameters()), float(y.abs().mean()))


if __name__ == "__main__":
    main()
