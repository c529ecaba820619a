#!/usr/bin/env python3
"""Cold start: how much longer `eddy sample MODEL --steps 1 --num 1` takes, from starting the program to its end, than one
forward pass of the model in a process that has already run it. The files are in the page cache.

    bench/cold_start.py [--count 20]

Both are taken in turn; the bar is a median difference of 40 ms.
"""
import argparse
import os
import statistics
import tempfile
import time

from machine import BUILD, ROOT, eddy_bench, heading, run, spread


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--count", type=int, default=20)
    p.add_argument("--model", default=ROOT / "models/fashion-mnist")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    a = p.parse_args()
    whole, forward = [], []
    with tempfile.TemporaryDirectory() as work:
        command = [BUILD / "eddy", "sample", a.model, "--steps", 1, "--num", 1, "--threads", a.threads, "--out", f"{work}/x.png"]
        run(command)  # brings the files into the page cache
        for _ in range(a.count):
            begun = time.perf_counter()
            run(command)
            whole.append((time.perf_counter() - begun) * 1e3)
            forward.append(eddy_bench("forward", a.threads, 5, folder=a.model, batch=1)["median_s"] * 1e3)
    beyond = statistics.median(whole) - statistics.median(forward)
    print(heading(f"{a.threads} threads", f"medians of {a.count} (lowest to highest)"))
    print(f"eddy sample, one step, one picture: {spread(whole, '{:.1f}')} ms; a forward pass: {spread(forward)} ms; beyond it "
          f"{beyond:.1f} ms, bar 40 ms: {'met' if beyond <= 40 else '**missed**'}")


if __name__ == "__main__":
    main()
