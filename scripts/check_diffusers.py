"""Folders of diffusers through the program and back: tensors, JSON and outputs are equal. usage: check_diffusers.py EDDY

Makes small random pipelines with diffusers (float32, an fp16 variant, shards), has `eddy convert` rewrite them, and opens the
result in diffusers; writes with `eddy` shards and variants that diffusers must read; converts the originals' layouts of
make_goldens_layouts.py and compares what diffusers computes from the folder with the original equations.

Run with torch 2.13.0 and diffusers 0.42.1: pip install torch==2.13.0; pip install diffusers==0.42.1 safetensors numpy
"""
import json
import os
import subprocess
import sys
import tempfile

import diffusers
import torch
from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline, DDPMScheduler, DPMSolverMultistepScheduler, PNDMPipeline
from diffusers import PNDMScheduler, UNet2DModel
from safetensors.torch import save_file

import make_goldens_layouts as layouts

CONFIGS = {
    "ddpm": dict(sample_size=8, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, attention_head_dim=None,
                 down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
                 downsample_padding=0, flip_sin_to_cos=False, freq_shift=1, norm_eps=1e-6),
    "adm": dict(sample_size=(8, 16), block_out_channels=(8, 16), layers_per_block=2, norm_num_groups=2, attention_head_dim=4,
                down_block_types=("ResnetDownsampleBlock2D", "AttnDownBlock2D"), num_class_embeds=5,
                up_block_types=("AttnUpBlock2D", "ResnetUpsampleBlock2D"), resnet_time_scale_shift="scale_shift",
                attn_norm_num_groups=4, downsample_type="resnet", upsample_type="resnet"),
}
PIPELINES = {
    "ddpm": (DDPMPipeline, DDPMScheduler(variance_type="fixed_large", beta_schedule="squaredcos_cap_v2")),
    "ddim": (DDIMPipeline, DDIMScheduler(beta_start=0.00085, clip_sample_range=1.5, trained_betas=[0.1, 0.2, 1e-5],
                                         num_train_timesteps=3)),
    "pndm": (PNDMPipeline, PNDMScheduler(skip_prk_steps=True)),
    "solver": (DDPMPipeline, DPMSolverMultistepScheduler(use_karras_sigmas=True)),  # lambda_min_clipped is -Infinity
}
checks = failures = 0


def check(what, holds):
    global checks, failures
    checks, failures = checks + 1, failures + (not holds)
    if not holds:
        print("FAILED:", what)


def eddy(*arguments):
    result = subprocess.run([os.path.abspath(sys.argv[1]), *arguments], capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"eddy {' '.join(arguments)}: {result.stderr}")
    return result.stdout


def unet_of(folder, **options):
    return UNet2DModel.from_pretrained(folder, subfolder="unet", **options)


def keys(net):
    return {k: v for k, v in net.config.items() if k != "_name_or_path"}


def output(net):
    torch.manual_seed(0)
    x = torch.randn(2, net.config.in_channels, 8, 8)
    labels = torch.tensor([1, 2]) if net.config.num_class_embeds else None
    with torch.no_grad():
        return net.float()(x, torch.tensor([7.0, 500.0]), class_labels=labels).sample


def same_tensors(a, b, dtype=None):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k].to(dtype or a[k].dtype).float(), b[k].float()) for k in a)


def same_json(a, b):
    files = ["model_index.json", "unet/config.json", "scheduler/scheduler_config.json"]
    return all(open(os.path.join(a, f)).read() == open(os.path.join(b, f)).read() for f in files)


def through(folder, kind, name):
    """A pipeline of diffusers in every form that it writes."""
    pipeline, scheduler = PIPELINES[kind]
    torch.manual_seed(len(kind))
    net = UNet2DModel(**CONFIGS[name])
    pipe = pipeline(unet=net, scheduler=scheduler)
    plain, shards, half = (os.path.join(folder, f"{kind}-{name}-{form}") for form in ("plain", "shards", "half"))
    pipe.save_pretrained(plain)
    pipe.save_pretrained(shards, max_shard_size="20KB")
    pipeline(unet=unet_of(plain, torch_dtype=torch.float16),
             scheduler=scheduler).save_pretrained(half, variant="fp16", max_shard_size="20KB")
    for source, variant, dtype, options in [(plain, None, None, []), (shards, None, None, ["--max-shard-size", "15KB"]),
                                            (half, "fp16", torch.float16, ["--variant", "fp16", "--dtype", "f32"]),
                                            (plain, None, torch.float16, ["--dtype", "f16", "--save-variant", "fp16"]),
                                            (plain, None, torch.bfloat16, ["--dtype", "bf16", "--max-shard-size", "9KB",
                                                                          "--save-variant", "b"])]:
        what = f"{kind} {name} {' '.join(options)}"
        to = os.path.join(folder, "to")
        eddy("convert", source, to, "--overwrite", *options)
        written = options[options.index("--save-variant") + 1] if "--save-variant" in options else None
        again = pipeline.from_pretrained(to, variant=written)
        check(what + ": class", type(again) is pipeline and type(again.scheduler) is type(scheduler))
        check(what + ": tensors", same_tensors(net, again.unet, dtype))
        check(what + ": configuration", keys(again.unet) == keys(unet_of(source, variant=variant)))
        check(what + ": JSON", same_json(source, to))
        check(what + ": output", torch.equal(output(unet_of(plain, torch_dtype=dtype)), output(again.unet)))
    # The bytes of weights are diffusers' own, in one file and in shards.
    for source, options in [(plain, []), (shards, ["--max-shard-size", "20KB"])]:
        eddy("convert", source, to, "--overwrite", *options)
        for file in sorted(set(os.listdir(source + "/unet")) & set(os.listdir(to + "/unet"))):
            a, b = (open(os.path.join(path, "unet", file), "rb").read() for path in (source, to))
            check(f"{kind} {name} {file}: bytes", a == b)
        check(f"{kind} {name}: files", sorted(os.listdir(source + "/unet")) == sorted(os.listdir(to + "/unet")))
    info = json.loads(eddy("info", shards, "--json")) if kind in ("ddpm", "ddim") else None
    check(f"{kind} {name}: info", info is None or (info["pipeline"] == pipeline.__name__ and info["weights"]["sharded"]))


def original(folder, name):
    """A file with an original's names: diffusers computes from the converted folder what the original equations give."""
    network, options = layouts.CASES[name]
    torch.manual_seed(0)
    x, t, y = torch.randn(2, 3, 8, 8).double(), torch.tensor([3.0, 7.25]).double(), torch.tensor([2, 0])
    labels = (y,) if network is layouts.edm or options.get("classes") else ()
    w = layouts.Weights()
    with torch.no_grad():
        wanted = network(w, x, t, *labels, **options)
    path, to, config = (os.path.join(folder, name + end) for end in (".safetensors", "-to", ".json"))
    save_file({k: torch.from_numpy(layouts.values(k, s)) for k, s in w.shapes.items()}, path)
    flags = []
    if network is layouts.guided:
        json.dump({"attention_head_dim": options.get("head", 16)}, open(config, "w"))
        flags = ["--config", config]
        if options.get("order") == "new" and options.get("rank", 3) == 3:
            flags.append("--new-attention-order")
    eddy("convert", path, to, *flags)
    net = unet_of(to).double()
    with torch.no_grad():
        got = net(x, t, class_labels=labels[0] if labels else None).sample
    error = float((got - wanted).norm() / wanted.norm())
    print(f"{name}: diffusers on the converted folder differs from the original equations by {error:.1e}")
    check(name, error < 1e-6)  # diffusers' sinusoids are float32, so t is small


def main():
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    print(f"torch {torch.__version__}, diffusers {diffusers.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        for kind in PIPELINES:
            for name in CONFIGS:
                through(folder, kind, name)
        for name in layouts.CASES:
            original(folder, name)
    print(f"{checks} checks, {failures} failures")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
