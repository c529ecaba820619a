#!/usr/bin/env python3
"""eddy beside PyTorch, ONNX Runtime and OpenVINO on this machine: one table of ratios, our worst row first.

    bench/compare.py [--python VENV/bin/python] [--pairs 5] [--only train] > table.md

Both sides run the same weights, inputs and steps, in processes that alternate. Each peer runs once first; those within 10 %
of the fastest take part in every round, and the one with the least median is the best. A ratio is its median time over ours
of the same round; the table gives the median of the rounds and their range, whose low end must reach the bar. A row counts
only where losses or outputs agree to 1e-3 (bfloat16: to 5e-2, and the difference is told); one that does not is named below
the table. Without --python a virtual environment is made in build/bench-venv.
"""
import argparse
import collections
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile

from compare_tables import memory_table, name_of, ratio_table
from machine import BUILD, ROOT, Failed, eddy_bench, heading, line_of

PACKAGES = ["torch==2.13.0", "diffusers", "transformers", "safetensors", "onnx", "onnxscript", "onnxruntime", "openvino"]
Row = collections.namedtuple("Row", "what model batch bf16", defaults=[False])
TRAIN = [("small", 64), ("quickstart", 32), ("cifar10", 8)]
ROWS = ([Row("train", m, n) for m, n in TRAIN] + [Row("train", m, n, True) for m, n in TRAIN] +
        [Row("forward", m, n) for m, _ in TRAIN for n in (1, 8, 16)])


def peers_python(given):
    if given:
        return given
    folder = BUILD / "bench-venv"
    python = folder / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        for package in (PACKAGES[:1], PACKAGES[1:]):
            subprocess.run([python, "-m", "pip", "install", "-q", *package], check=True, stdout=sys.stderr)
    return str(python)


def peers_for(row, a):
    if row.bf16:
        return ["torch bf16", "torch bf16_channels_last"]
    modes = ["torch default", "torch channels_last"]
    if row.what == "train":
        return modes + (["torch compile", "torch compile_channels_last"] if a.compile else [])
    return modes + ["ort -", "openvino -"]


def difference(ours, theirs):
    """Of losses or of the first outputs: the distance over the largest value."""
    key = "losses" if "losses" in theirs else "values"
    return math.dist(ours[key], theirs[key]) / max(abs(y) for y in theirs[key])


def compare(row, a, python, folder, notes):
    def theirs(peer):
        engine, mode = peer.split()
        return line_of([python, ROOT / "bench/peers.py", engine, folder, row.what, row.batch, mode, a.threads, a.iterations])

    def ours(bf16=row.bf16):
        return eddy_bench(row.what, a.threads, a.iterations, folder=folder, batch=row.batch, bf16=bf16)

    ours()  # that it can, before the peers take their minutes
    first = {}
    for peer in peers_for(row, a):
        try:
            first[peer] = theirs(peer)
        except Failed as e:
            notes.append(f"{name_of(row)}: {peer} failed: {e}")
    if not first:
        raise Failed("no peer ran")
    fastest = min(line["median_s"] for line in first.values())
    near = [peer for peer, line in first.items() if line["median_s"] <= 1.1 * fastest]
    rounds = [dict([("eddy", ours())] + [(peer, theirs(peer)) for peer in near]) for _ in range(a.pairs)]
    middle = lambda side, key: statistics.median(r[side][key] for r in rounds)
    best = min(near, key=lambda peer: middle(peer, "median_s"))
    for r in rounds:
        apart = difference(r["eddy"], r[best])
        if not apart <= (5e-2 if row.bf16 else 1e-3):
            raise Failed(f"losses or outputs of eddy and {best} differ by {apart:.1e}")
    if row.bf16:
        exact = theirs("torch default")
        notes.append(f"{name_of(row)}: the losses of three steps differ from PyTorch's in float32 by "
                     f"{difference(rounds[0]['eddy'], exact):.1e} (eddy) and {difference(rounds[0][best], exact):.1e} ({best})")
    return dict(row=row, best=best, ratios=[r[best]["median_s"] / r["eddy"]["median_s"] for r in rounds],
                eddy=rounds[0]["eddy"], ours=middle("eddy", "median_s"), theirs=middle(best, "median_s"),
                peak=middle("eddy", "peak_mib"), peer_peak=middle(best, "peak_mib"), imported=middle(best, "imported_mib"))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--python", help="of an environment that has the peers")
    p.add_argument("--pairs", type=int, default=5)
    p.add_argument("--iterations", type=int, default=5, help="timed ones of each process, behind two others")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--only", default="", help="rows whose name holds this, as `train small` or bfloat16")
    p.add_argument("--compile", action="store_true", help="try torch.compile for training too: compiling takes two to "
                   "three minutes a mode and model, and where it was tried it was at most 3 %% faster than the other modes")
    a = p.parse_args()
    python = peers_python(a.python)
    results, notes = [], []
    with tempfile.TemporaryDirectory() as work:
        for row in ROWS:
            if a.only not in name_of(row):
                continue
            folder = os.path.join(work, row.model)
            try:
                if not os.path.exists(folder):
                    os.makedirs(folder)
                    line_of([python, ROOT / "bench/peers.py", "export", ROOT / f"bench/{row.model}.json", folder])
                results.append(compare(row, a, python, folder, notes))
                print(json.dumps(results[-1]), file=sys.stderr)
            except Failed as e:
                notes.append(f"{name_of(row)} is not in the table: {e}")
                print(notes[-1], file=sys.stderr)
    versions = subprocess.run([python, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True).stdout.split()
    named = [v.replace("==", " ") for v in versions if v.split("==")[0] in ("torch", "diffusers", "onnxruntime", "openvino")]
    print(heading(f"{a.threads} threads", *named))
    print(f"{a.pairs} rounds. Tried: training: eager (default) and channels_last, " +
          ("compiled and not; " if a.compile else "torch.compile not; ") +
          "bfloat16: autocast in both layouts; forward: eager in both layouts, ort, openvino.\n")
    ratio_table(results)
    memory_table([r for r in results if r["row"].what == "train"], a.iterations + 2)
    print("".join(f"\n- {note}" for note in notes))


if __name__ == "__main__":
    main()
