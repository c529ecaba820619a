#!/usr/bin/env python3
"""Lines of the files of src/ and include/: median and largest; fails above 400, kernels exempt."""
import pathlib
import statistics
import sys

root = pathlib.Path(__file__).resolve().parent.parent
sizes = {p.relative_to(root): len(p.read_text().splitlines())
         for folder in ("src", "include") for p in (root / folder).rglob("*.?pp")}
print(f"{len(sizes)} files, {sum(sizes.values())} lines, median {statistics.median(sizes.values()):.0f}")
for path, lines in sorted(sizes.items(), key=lambda item: -item[1])[:8]:
    print(f"{lines:5} {path}")
too_long = [p for p, lines in sizes.items() if lines > 400 and p.parts[1] != "kernels"]
if too_long:
    sys.exit(f"over 400 lines: {', '.join(map(str, too_long))}")
