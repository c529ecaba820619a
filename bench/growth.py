#!/usr/bin/env python3
"""How time and memory of a training step grow with batch, picture size and channels: eddy_bench over variants of
bench/small.json, drawn by gnuplot (Debian: gnuplot-nox).

    bench/growth.py [--out docs/growth.svg]     writes the numbers beside the plot, as docs/growth.tsv
    bench/growth.py --redraw                    draws again from those numbers
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

from machine import ROOT, eddy_bench, heading

BASE = dict(batch=16, size=28, width=32)  # width: channels of the first level, of which the deeper ones have twice and four times


def variant(size, width):
    config = json.loads((ROOT / "bench/small.json").read_text())
    config["unet"].update(sample_size=size, block_out_channels=[width, 2 * width, 4 * width])
    return config


def measure(a, work):
    path = os.path.join(work, "model.json")
    for axis in ("batch", "size", "width"):
        yield f"# {axis}\tseconds\tpeak MiB"
        for value in getattr(a, axis):
            at = dict(BASE, **{axis: value})
            pathlib.Path(path).write_text(json.dumps(variant(at["size"], at["width"])))
            lines = [eddy_bench("train", a.threads, a.iterations, config=path, batch=at["batch"]) for _ in range(a.rounds)]
            seconds, peak = (statistics.median(line[key] for line in lines) for key in ("median_s", "peak_mib"))
            yield f"{value}\t{seconds:.4g}\t{peak:.0f}"
        yield "\n"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", default=ROOT / "docs/growth.svg", type=pathlib.Path, help=".svg or .png")
    p.add_argument("--batch", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64, 128])
    p.add_argument("--size", type=int, nargs="+", default=[16, 20, 28, 40, 56, 80, 112], help="pixels a side, multiples of four")
    p.add_argument("--width", type=int, nargs="+", default=[16, 24, 32, 48, 64, 96, 128], help="multiples of eight")
    p.add_argument("--rounds", type=int, default=3, help="processes a point; the plot has their median")
    p.add_argument("--iterations", type=int, default=5)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--redraw", action="store_true")
    a = p.parse_args()
    table = a.out.with_suffix(".tsv")
    if not a.redraw:
        with tempfile.TemporaryDirectory() as work, open(table, "w") as file:
            print("# " + heading(f"{a.threads} threads", f"medians of {a.rounds}"), file=file)
            for line in measure(a, work):
                print(line, file=file, flush=True)
    subprocess.run(["gnuplot", "-c", ROOT / "bench/growth.gp", table, a.out, a.out.suffix[1:]], check=True)
    print(f"{a.out}: {open(table).readline()[2:].strip()}")


if __name__ == "__main__":
    main()
