#!/usr/bin/env python3
"""Checks who includes whom: a room of src/ may include only rooms below it, and of its own level none but itself."""
import pathlib
import re
import sys

LEVELS = {"base": -1, "kernels": 0, "tensor": 1, "autograd": 2, "random": 2, "io": 2, "ops": 3, "schedule": 4, "nn": 4,
          "denoiser": 5, "model": 5, "sampler": 6, "data": 6, "train": 7, "metrics": 7, "pipeline": 8, "cli": 9}
# Public headers, by the room that stands behind them.
HEADERS = {"version": "base", "error": "base", "cancel": "base", "context": "base", "tensor": "tensor", "eigen": "tensor",
           "autograd": "autograd", "random": "random", "ops": "ops", "schedule": "schedule", "nn": "nn",
           "network": "tensor", "denoiser": "denoiser", "model": "model", "sampler": "sampler", "data": "data",
           "rate": "train", "train": "train", "pipeline": "pipeline", "scheduler": "pipeline"}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)

root = pathlib.Path(__file__).resolve().parent.parent
failures = []


def room_of(included):
    head, _, rest = included.partition("/")
    if head == "eddy":
        return HEADERS.get(rest.removesuffix(".hpp"))
    return head if head in LEVELS else None


def check(path, room):
    for included in INCLUDE.findall(path.read_text()):
        other = room_of(included)
        if other is None:
            if included != "eddy/eddy.hpp" or room != "cli":
                failures.append(f"{path.relative_to(root)}: {included} belongs to no room")
        elif other != room and LEVELS[other] >= LEVELS[room]:
            failures.append(f"{path.relative_to(root)} ({room}) includes {included} ({other})")


for path in sorted((root / "src").rglob("*.?pp")):
    check(path, path.relative_to(root / "src").parts[0])
for path in sorted((root / "include/eddy").glob("*.hpp")):
    if path.stem in HEADERS:
        check(path, HEADERS[path.stem])
    elif path.stem != "eddy":
        failures.append(f"{path.name} stands behind no room")

print("\n".join(failures) or "includes: every room keeps its place")
sys.exit(bool(failures))
