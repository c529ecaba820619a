"""The tables that compare.py prints."""
from machine import spread

BARS = {"train": 2.5, "forward": 1.5}  # PyTorch's (or the best peer's) time over ours, at the low end of the range
MEMORY_BAR = 0.5                       # our peak over PyTorch's
BEYOND_ARRAYS = {"cifar10"}            # U-Nets whose weights are most of the memory


def name_of(row):
    return f"{row.what} {row.model}, batch {row.batch}" + (", bfloat16" if row.bf16 else "")


def verdict(value, bar, met):
    return f"{bar}: met" if met else f"{bar}: **missed at {value:.2f}**"


def ratio_table(results):
    """The row that is furthest below its bar, or least above, comes first."""
    low = lambda r: min(r["ratios"]) / BARS[r["row"].what]
    print("| work | ratio (range) | bar | eddy | best peer | which |\n|---|---|---|---|---|---|")
    for r in sorted(results, key=low):
        bar = "no bar" if r["row"].bf16 else verdict(min(r["ratios"]), BARS[r["row"].what], low(r) >= 1)
        print(f"| {name_of(r['row'])} | {spread(r['ratios'])} | {bar} | {r['ours'] * 1e3:.1f} ms | {r['theirs'] * 1e3:.1f} ms | "
              f"{r['best']} |")


def memory_table(results, steps):
    if not results:
        return
    print(f"""
Peak memory (VmHWM) after {steps} training steps, MiB. `all` counts the whole process; `beyond` leaves out what both sides
need, five arrays of the size of the weights (weights, gradients, two moments, average), and what PyTorch holds after import.

| work | eddy | PyTorch (after import) | counted | eddy / PyTorch | bar | the system asked after step 1 |
|---|---|---|---|---|---|---|""")
    for r in results:
        beyond = r["row"].model in BEYOND_ARRAYS
        arrays = 5 * 4 * r["eddy"]["weights"] / 2**20 if beyond else 0
        ours, theirs = r["peak"] - arrays, r["peer_peak"] - arrays - (r["imported"] if beyond else 0)
        counted = f"beyond {arrays:.0f}: {ours:.0f}, {theirs:.0f}" if beyond else "all"
        barred = r["row"].model in ("small", "cifar10") and not r["row"].bf16
        bar = verdict(ours / theirs, MEMORY_BAR, ours <= MEMORY_BAR * theirs) if barred else "no bar"
        print(f"| {name_of(r['row'])} | {r['peak']:.0f} | {r['peer_peak']:.0f} ({r['imported']:.0f}) | {counted} | "
              f"{ours / theirs:.2f} | {bar} | {r['eddy']['asked_after_first_step']} times |")
