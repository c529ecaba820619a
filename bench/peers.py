"""The peers' side of compare.py: PyTorch, ONNX Runtime and OpenVINO on the U-Nets of bench/*.json. One JSON line each.

    peers.py export  CONFIG FOLDER                 the model and inputs for 64 samples, for all sides
    peers.py torch   FOLDER train|forward BATCH MODE THREADS ITERATIONS
                     MODE: default, compile or bf16 (autocast around forward and loss), or with _channels_last
    peers.py ort     FOLDER forward BATCH - THREADS ITERATIONS
    peers.py openvino FOLDER forward BATCH - THREADS ITERATIONS
"""
import json
import os
import sys
import time

import torch
from diffusers import UNet2DModel
from safetensors.torch import load_file, save_file


def peak_mib():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024


IMPORTED = peak_mib()


def export(config, folder):
    torch.manual_seed(0)
    net = UNet2DModel(**json.load(open(config))["unet"])
    net.save_pretrained(os.path.join(folder, "unet"))
    c = net.config
    x = torch.randn(64, c.in_channels, c.sample_size, c.sample_size)
    save_file({"x": x, "t": torch.randint(0, 1000, (64,)).float(), "eps": torch.randn_like(x)},
              os.path.join(folder, "inputs.safetensors"))
    print("{}")


def condition_of(net, batch):
    """Sample i is of class i modulo their number, as in eddy_bench."""
    classes = net.config.num_class_embeds
    return {"class_labels": torch.arange(batch) % classes} if classes else {}


def timed(iterations, f):
    seconds = []
    for _ in range(iterations + 2):
        begun = time.perf_counter()
        f()
        seconds.append(time.perf_counter() - begun)
    rest = sorted(seconds[2:])
    return dict(first_s=seconds[0], least_s=rest[0], median_s=rest[len(rest) // 2])


def timed_output(iterations, call):
    out = []

    def forward():
        out[:] = [call()]

    times = timed(iterations, forward)
    y = torch.as_tensor(out[0])
    return dict(times, rms=float((y.double() ** 2).mean().sqrt()), values=y.flatten()[:8].tolist())


def torch_model(folder, what, batch, mode, iterations):
    layout = torch.channels_last if mode.endswith("channels_last") else torch.contiguous_format
    net = UNet2DModel.from_pretrained(folder, subfolder="unet").to(memory_format=layout)
    inputs = load_file(os.path.join(folder, "inputs.safetensors"))
    x, eps = (inputs[k][:batch].contiguous(memory_format=layout) for k in ("x", "eps"))
    t = inputs["t"][:batch]
    network = torch.compile(net) if mode.startswith("compile") else net
    condition = condition_of(net, batch)
    call = lambda: network(x, t, **condition, return_dict=False)[0]
    autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=mode.startswith("bf16"))
    if what == "forward":
        net.eval()
        with torch.no_grad(), autocast:
            return timed_output(iterations, call)
    net.train()
    parameters = list(net.parameters())
    adam = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.01)
    average = [p.detach().clone() for p in parameters]
    losses = []

    def step():
        adam.zero_grad(set_to_none=True)
        with autocast:
            loss = torch.nn.functional.mse_loss(call(), eps)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        adam.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, parameters, 1e-3)
        losses.append(loss.item())

    return dict(timed(iterations, step), losses=losses[:3])


def exported(folder, batch):
    path = os.path.join(folder, f"batch{batch}.onnx")
    if not os.path.exists(path):
        net = UNet2DModel.from_pretrained(folder, subfolder="unet").eval()
        condition = condition_of(net, batch)

        class Plain(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.net = net

            def forward(self, x, t):
                return self.net(x, t, **condition, return_dict=False)[0]

        inputs = load_file(os.path.join(folder, "inputs.safetensors"))
        torch.onnx.export(Plain(), (inputs["x"][:batch], inputs["t"][:batch]), path, input_names=["x", "t"], output_names=["y"],
                          dynamo=True, external_data=False, verbose=False)
    return path


def onnx_model(engine, folder, batch, threads, iterations):
    path = exported(folder, batch)
    inputs = load_file(os.path.join(folder, "inputs.safetensors"))
    x, t = inputs["x"][:batch].numpy(), inputs["t"][:batch].numpy()
    if engine == "ort":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        call = lambda: session.run(None, {"x": x, "t": t})[0]
    else:
        import openvino

        compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY",
                                                               "INFERENCE_NUM_THREADS": str(threads)})
        call = lambda: compiled([x, t])[0]
    return timed_output(iterations, call)


if __name__ == "__main__":
    engine = sys.argv[1]
    if engine == "export":
        export(*sys.argv[2:])
    else:
        folder, what, batch, mode, threads, iterations = sys.argv[2:]
        torch.set_num_threads(int(threads))
        if engine == "torch":
            line = torch_model(folder, what, int(batch), mode, int(iterations))
        else:
            line = onnx_model(engine, folder, int(batch), int(threads), int(iterations))
        print(json.dumps(dict(line, peak_mib=peak_mib(), imported_mib=IMPORTED)))
