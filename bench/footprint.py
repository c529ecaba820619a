#!/usr/bin/env python3
"""What eddy costs the program that uses it: seconds of compiling that `#include <eddy/eddy.hpp>` adds to a file that has the
same standard headers (-O0), and the size of examples/embed linked statically, without unused sections, and stripped.

    bench/footprint.py [--compiler g++] [--count 10]

The two files are compiled in turn; the bars are 0.15 s in the median and 6 MB (10^6 bytes).
"""
import argparse
import os
import re
import statistics
import tempfile
import time

from machine import BUILD, ROOT, compiler_version, heading, run, spread


def standard_headers():
    """All that the public headers name; eigen.hpp is not part of eddy.hpp."""
    names = set()
    for path in (ROOT / "include/eddy").glob("*.hpp"):
        if path.stem != "eigen":
            names.update(re.findall(r"^\s*#\s*include\s+<([a-z_]+)>", path.read_text(), re.M))
    return sorted(names)


def compile_seconds(compiler, path):
    begun = time.perf_counter()
    run([compiler, "-std=c++20", "-O0", "-I", ROOT / "include", "-c", path, "-o", path + ".o"])
    return time.perf_counter() - begun


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--compiler", default="g++")
    p.add_argument("--count", type=int, default=10)
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as work:
        plain, ours, program = (os.path.join(work, name) for name in ("plain.cpp", "ours.cpp", "embed"))
        text = "".join(f"#include <{name}>\n" for name in standard_headers())
        open(plain, "w").write(text)
        open(ours, "w").write(text + "#include <eddy/eddy.hpp>\n")
        pairs = [[compile_seconds(a.compiler, path) for path in (plain, ours)] for _ in range(a.count + 1)][1:]
        run([a.compiler, "-std=c++20", "-O2", "-static", "-s", "-Wl,--gc-sections", "-I", ROOT / "include",
             ROOT / "examples/embed/main.cpp", BUILD / "src/libeddy.a", "-o", program])
        megabytes = os.path.getsize(program) / 1e6
    without, whole = zip(*pairs)
    added = statistics.median(whole) - statistics.median(without)
    print(heading(compiler_version(a.compiler), f"medians of {a.count} (lowest to highest)"))
    print(f"#include <eddy/eddy.hpp>: {spread(whole)} s, its standard headers alone {spread(without)} s; it adds {added:.2f} s, "
          f"bar 0.15 s: {'met' if added <= 0.15 else '**missed**'}")
    print(f"examples/embed, static and stripped: {megabytes:.2f} MB, bar 6 MB: {'met' if megabytes < 6 else '**missed**'}")


if __name__ == "__main__":
    main()
