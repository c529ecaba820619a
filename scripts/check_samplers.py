"""The program against diffusers: every case of sampler_cases/ as a model folder, sampled by both from the same seed.

  check_samplers.py build/eddy [FAMILY ...]

Writes each scheduler's configuration and the small U-Net of the goldens with diffusers' save_pretrained, runs
`eddy sample --noise torch` and diffusers' own loop, and prints the largest difference in deviations of the samples beside what
diffusers itself moves when each output of the network is disturbed by 1e-6 of its size. Fails above max(2e-5, 30 times that).
Needs what make_goldens_samplers.py needs.
"""
import importlib
import json
import pathlib
import pkgutil
import subprocess
import sys
import tempfile

import numpy
from make_goldens_samplers import jsonable, network, run

import sampler_cases


def write_folder(folder, case, config):
    network().save_pretrained(folder / "unet")
    cls = case["class"] if isinstance(case["class"], str) else case["class"].__name__
    fields = {k: jsonable(v) for k, v in config.items() if not k.startswith("_")} | {"_class_name": cls}
    (folder / "scheduler").mkdir()
    (folder / "scheduler/scheduler_config.json").write_text(json.dumps(fields))
    index = {"_class_name": "DDPMPipeline", "unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", cls]}
    (folder / "model_index.json").write_text(json.dumps(index))


def check(eddy, name, case):
    net, config = run(case)
    moved = run(case, 1e-6)[0].xs[-1] - net.xs[-1]
    expected = net.xs[-1].permute(0, 2, 3, 1).numpy()
    options = dict(case.get("options", {}))
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write_folder(folder, case, config)
        command = [eddy, "sample", folder, "--out", folder / "x.npy", "--steps", str(case["steps"]), "--num", str(len(expected)),
                   "--seed", str(case.get("seed", 0)), "--noise", "torch"]
        for key, value in options.items():
            command += [f"--{key.replace('_', '-')}", str(value)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            print(f"{name:44} FAILED {done.stderr.strip()}")
            return False
        x = numpy.load(folder / "x.npy")
    deviation = expected.std()
    difference, own = float(abs(x - expected).max() / deviation), float(moved.abs().max() / deviation)
    good = difference <= max(2e-5, 30 * own)
    print(f"{name:44} {difference:.1e} (moved {own:.1e}) {'' if good else 'FAILED'}")
    return good


if __name__ == "__main__":
    eddy, *asked = sys.argv[1:]
    bad = 0
    flags = subprocess.run([eddy, "sample", "--help"], capture_output=True, text=True).stdout.replace(",", " ").split()
    for family in asked or [m.name for m in pkgutil.iter_modules(sampler_cases.__path__)]:
        for name, case in importlib.import_module(f"sampler_cases.{family}").CASES.items():
            unknown = [key for key in case.get("options", {}) if f"--{key.replace('_', '-')}" not in flags]
            # The goldens' second half of channels is no network's, and the program has no pictures to repaint.
            if not case.get("learned") and not case.get("tensors") and not unknown:
                bad += not check(eddy, name, case)
    sys.exit(bad > 0)
