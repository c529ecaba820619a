#!/usr/bin/env python3
"""eddy beside PyTorch, ONNX Runtime and OpenVINO on this machine: one table of ratios, our worst row first.

    bench/compare.py [--python VENV/bin/python] [--pairs 5] [--only train] > table.md

Both sides run the same weights, inputs and steps, in processes that alternate; a row counts only where losses or outputs
agree to 1e-3. A ratio is the best peer's median time over ours of the same pair; the table gives the median of the pairs
and their range. Without --python a virtual environment is made in build/bench-venv.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGES = ["torch==2.13.0", "diffusers", "transformers", "safetensors", "onnx", "onnxscript", "onnxruntime", "openvino"]
ROWS = [("train", "small", 64), ("train", "cifar10", 8)] + [("forward", m, n) for m in ("small", "cifar10") for n in (1, 8, 16)]


def peers_python(given):
    if given:
        return given
    folder = ROOT / "build/bench-venv"
    python = folder / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        for package in (PACKAGES[:1], PACKAGES[1:]):
            subprocess.run([python, "-m", "pip", "install", "-q", *package], check=True, stdout=sys.stderr)
    return str(python)


def line_of(command):
    out = subprocess.run(command, capture_output=True, text=True)
    if out.returncode != 0:
        print(out.stderr[-2000:], file=sys.stderr)
        return None
    return json.loads(out.stdout.strip().splitlines()[-1])


def agree(ours, theirs):
    key = "losses" if "losses" in ours else "values"
    scale = max(abs(v) for v in theirs[key])
    return all(abs(a - b) <= 1e-3 * scale for a, b in zip(ours[key], theirs[key]))


def peers_for(what, available):
    modes = [("torch", m) for m in ("default", "channels_last", "compile", "compile_channels_last")]
    engines = [("ort", "-"), ("openvino", "-")] if what == "forward" else []
    return [p for p in modes + engines if p[0] in available or p[1] in available]


def compare(row, a, python, folder):
    what, model, batch = row
    ours = [ROOT / "build/bench/eddy_bench", what, "--folder", folder, "--batch", str(batch), "--threads", str(a.threads),
            "--iterations", str(a.iterations)]
    theirs = lambda p: [python, ROOT / "bench/peers.py", p[0], folder, what, str(batch), p[1], str(a.threads), str(a.iterations)]
    first = {p: line_of(theirs(p)) for p in peers_for(what, a.peers.split(","))}  # which peer is the best one here
    first = {p: line for p, line in first.items() if line}
    best = min(first, key=lambda p: first[p]["median_s"])
    pairs = [(line_of(ours), line_of(theirs(best))) for _ in range(a.pairs)]
    ratios = sorted(t["median_s"] / o["median_s"] for o, t in pairs)
    for o, t in pairs:
        if not agree(o, t):
            raise SystemExit(f"{row}: results differ: {o} {t}")
    middle = lambda side, key: statistics.median(p[side][key] for p in pairs)
    return dict(row=f"{what} {model}, batch {batch}", ratio=statistics.median(ratios), low=ratios[0], high=ratios[-1],
                ours=middle(0, "median_s"), theirs=middle(1, "median_s"), best=" ".join(best), ours_mib=middle(0, "peak_mib"),
                theirs_mib=middle(1, "peak_mib"), imported_mib=middle(1, "imported_mib"))


def cpu_name():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--python", help="of an environment that has the peers")
    p.add_argument("--pairs", type=int, default=5)
    p.add_argument("--iterations", type=int, default=5)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--only", default="", help="rows whose name holds this")
    p.add_argument("--peers", default="torch,ort,openvino", help="or modes of torch: default,channels_last,compile")
    a = p.parse_args()
    python = peers_python(a.python)
    results = []
    with tempfile.TemporaryDirectory() as work:
        for row in ROWS:
            if a.only not in f"{row[0]} {row[1]}, batch {row[2]}":
                continue
            folder = os.path.join(work, row[1])
            if not os.path.exists(folder):
                os.makedirs(folder)
                subprocess.run([python, ROOT / "bench/peers.py", "export", ROOT / f"bench/{row[1]}.json", folder], check=True)
            results.append(compare(row, a, python, folder))
            print(json.dumps(results[-1]), file=sys.stderr)
    versions = subprocess.run([python, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True).stdout.split()
    named = [v for v in versions if v.split("==")[0] in ("torch", "diffusers", "onnxruntime", "openvino")]
    print(f"{cpu_name()}, {a.threads} threads, {datetime.date.today()}; {', '.join(named)}; {a.pairs} pairs\n")
    print("| work | ratio (range) | eddy | best peer | which | peak MiB: eddy, peer (after import) |\n|---|---|---|---|---|---|")
    for r in sorted(results, key=lambda r: r["ratio"]):
        print(f"| {r['row']} | **{r['ratio']:.2f}** ({r['low']:.2f} to {r['high']:.2f}) | {r['ours'] * 1e3:.1f} ms | "
              f"{r['theirs'] * 1e3:.1f} ms | {r['best']} | {r['ours_mib']:.0f}, {r['theirs_mib']:.0f} ({r['imported_mib']:.0f}) |")


if __name__ == "__main__":
    main()
