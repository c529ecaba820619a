#!/usr/bin/env python3
"""What eddy does on this machine without a peer beside it: what two threads gain, an idle second, what `checkpoint` saves,
and sampling.

    bench/alone.py [--rounds 5] [--only threads,idle,checkpoint,ddim] > alone.md

Threads: eddy_bench takes a training step and the multiply-add peak on one thread and on two in turn, in one process; the
step's gain should be at least 0.93 of the peak's. Idle: CPU time of the process over one second after a forward pass, under
10 ms. Checkpoint: training steps of processes with and without it in turn, as a peak is a process's.
"""
import argparse
import os

from machine import ROOT, eddy_bench, heading, spread

CONFIGS = {name: ROOT / f"bench/{name}.json" for name in ("small", "cifar10", "quickstart")}


def threads(a):
    line = eddy_bench("threads", a.threads, a.rounds, config=CONFIGS["cifar10"], batch=8)
    met = "met" if line["share_low"] >= 0.93 else "**missed**"
    low, high = line["share_low"], line["share_high"]
    print(f"Threads, CIFAR-10 U-Net, training step of batch 8, {line['isa']}: {line['step_one_s'] * 1e3:.0f} ms on one, "
          f"{line['step_all_s'] * 1e3:.0f} ms on {line['threads']}.\nGain {line['step_gain']:.2f}, of the multiply-add peak "
          f"{line['peak_gain']:.2f}; one over the other {line['share']:.2f} ({low:.2f} to {high:.2f}), bar 0.93: {met}. "
          f"Losses are {'the same' if line['same_losses'] else '**not the same**'} to the bit.\n")


def idle(a):
    line = eddy_bench("idle", a.threads, a.rounds, config=CONFIGS["cifar10"], batch=1)
    met = "met" if line["most_ms"] < 10 else "**missed**"
    print(f"An idle second after a forward pass costs {line['median_ms']:.2f} ms of CPU time, at most {line['most_ms']:.2f}; "
          f"bar 10 ms: {met}.\n")


def checkpoint(a):
    print("| training step | time | peak MiB | with `checkpoint`: time | peak MiB |\n|---|---|---|---|---|")
    for model, batch in (("small", 64), ("cifar10", 8)):
        rounds = [[eddy_bench("train", a.threads, a.iterations, config=CONFIGS[model], batch=batch, checkpoint=on)
                   for on in (False, True)] for _ in range(a.rounds)]
        times = [spread([line["median_s"] * 1e3 for line in lines], "{:.0f}") for lines in zip(*rounds)]
        peaks = [max(line["peak_mib"] for line in lines) for lines in zip(*rounds)]
        print(f"| {model}, batch {batch} | {times[0]} ms | {peaks[0]:.0f} | {times[1]} ms | {peaks[1]:.0f} |")
    print()


def ddim(a):
    print("| DDIM, 50 steps | time | a picture |\n|---|---|---|")
    for model, batch in (("small", 16), ("quickstart", 16), ("cifar10", 8)):
        lines = [eddy_bench("ddim", a.threads, 1, config=CONFIGS[model], batch=batch) for _ in range(a.rounds)]
        seconds = [line["median_s"] for line in lines]
        print(f"| {model}, batch {batch} | {spread(seconds)} s | {min(seconds) / batch * 1e3:.0f} ms at least |")
    print()


if __name__ == "__main__":
    parts = {f.__name__: f for f in (threads, idle, checkpoint, ddim)}
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--iterations", type=int, default=3, help="timed steps of each process of checkpoint, behind two others")
    p.add_argument("--threads", type=int, default=min(2, os.cpu_count()))
    p.add_argument("--only", default=",".join(parts))
    args = p.parse_args()
    print(heading(f"{args.threads} threads", f"medians of {args.rounds} (lowest to highest)") + "\n")
    for part in args.only.split(","):
        parts[part](args)
