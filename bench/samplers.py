#!/usr/bin/env python3
"""What samplers make of few steps: docs/samplers.svg, their error on a problem in closed form against the evaluations of the
network, and docs/samplers.png, the same seed with each at 10, 20 and 50 steps from models/fashion-mnist. Drawn by gnuplot
(Debian: gnuplot-nox).

    bench/samplers.py            measures (docs/samplers.tsv) and draws both
    bench/samplers.py --redraw   draws the plot again from those numbers
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
STEPS = [5, 7, 10, 14, 20, 30, 50, 80]
PICTURE_STEPS = [10, 20, 50]
SEED, CLASSES = "3", "0,1,7,8,9"
# At the model's noisiest level sigma / alpha is 20,000: even timesteps make the first steps in sigma too long for order 2.
KARRAS = ["euler", "euler_ancestral", "heun", "dpm_2", "dpm_2_ancestral", "lms"]
# Families of docs/samplers.md; a panel of the plot each. Left out: samplers whose network is of a kind of its own.
FAMILIES = {
    "at alpha^2 + sigma^2 = 1": ["ddpm", "ddim", "pndm"],
    "in sigma space": ["euler", "euler_ancestral", "heun", "dpm_2", "dpm_2_ancestral", "lms"],
    "exponential integrators": ["dpmpp_2m", "dpmpp_2s", "deis", "uni_pc"],
    "with Brownian noise, or with steps of their own": ["dpm_solver_sde", "dpmpp_sde", "dpmpp_2m_sde", "dpmpp_3m_sde",
                                                        "dpmpp_2s_ancestral", "dpm_fast", "dpm_adaptive"],
}


def names():
    return [name for family in FAMILIES.values() for name in family]


def measure(table):
    fields = json.dumps(dict(timestep_spacing="trailing", clip_sample=False))
    with open(table, "w") as file:
        print("# sampler, then evaluations of the network and Wasserstein-1 distance to the data; bench/samplers.cpp", file=file)
        for name in names():
            print(f'\n\n"{name}"', file=file)
            for steps in STEPS:
                line = subprocess.run([ROOT / "build/bench/eddy_bench", "samplers", "--sampler", name, "--scheduler", fields,
                                       "--steps", str(steps)], check=True, capture_output=True, text=True).stdout
                found = json.loads(line)
                print(f"{found['evaluations']}\t{found['distance']:.3g}", file=file, flush=True)


def gnuplot(commands):
    subprocess.run(["gnuplot"], input="\n".join(commands), text=True, check=True)


def plot(table, out):
    lines = [f"set terminal svg size 1080,{340 * ((len(FAMILIES) + 1) // 2)} font 'sans-serif,13' background '#ffffff'",
             f"set output '{out}'", "set logscale xy", "set xrange [4:200]", "set yrange [0.002:1]",
             "set border 3 lc rgb '#888888'", "set tics nomirror out scale 0.6", "set grid lc rgb '#e4e4e4' lt 1",
             "set xlabel 'evaluations of the network'", "set ylabel 'distance to the data'", "set key outside right top",
             "set xtics (5, 10, 20, 50, 100, 200)", "set style data linespoints", f"set multiplot layout {(len(FAMILIES) + 1) // 2},2"]
    at = 0
    for title, family in FAMILIES.items():
        curves = [f"'{table}' index {at + i} using 1:2 every ::1 lw 1.5 pt {i + 4} ps 0.6 title '{name}' noenhanced"
                  for i, name in enumerate(family)]
        lines += [f"set title '{title}' noenhanced", "plot " + ", ".join(curves)]
        at += len(family)
    gnuplot(lines + ["unset multiplot"])


def pictures(out):
    every, side, left, top = names(), 42, 170, 30  # pixels
    count = CLASSES.count(",") + 1
    width, height = left + len(PICTURE_STEPS) * (count * side + 20), top + side * len(every)
    lines = [f"set terminal pngcairo size {width},{height} font 'sans,10' background '#ffffff'", f"set output '{out}'",
             "unset border", "unset tics", "unset key", "set margins 0,0,0,0", "set multiplot"]
    for i, steps in enumerate(PICTURE_STEPS):
        x = left + i * (count * side + 20) + count * side / 2
        lines.append(f"set label '{steps} steps' at screen {x / width},{1 - 14 / height} center")
    for row, name in enumerate(every):
        label = name + ", karras" * (name in KARRAS)
        lines.append(f"set label '{label}' at screen {8 / width},{1 - (top + (row + 0.5) * side) / height} noenhanced")
    with tempfile.TemporaryDirectory() as work:
        for row, name in enumerate(every):
            for i, steps in enumerate(PICTURE_STEPS):
                folder = f"{work}/{name}-{steps}/"
                subprocess.run([ROOT / "build/eddy", "sample", ROOT / "models/fashion-mnist", "--out", folder, "--num", str(count),
                                "--seed", SEED, "--class", CLASSES, "--sampler", name, "--steps", str(steps),
                                *(["--sigmas", "karras"] if name in KARRAS else [])], check=True, capture_output=True)
                for k in range(count):
                    x, y = left + i * (count * side + 20) + k * side, height - top - (row + 1) * side
                    lines += [f"set origin {x / width},{y / height}", f"set size {(side - 2) / width},{(side - 2) / height}",
                              f"plot '{folder}{k:05}.png' binary filetype=png with rgbimage", "unset label"]
        gnuplot(lines + ["unset multiplot"])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--redraw", action="store_true")
    a = p.parse_args()
    table = ROOT / "docs/samplers.tsv"
    if not a.redraw:
        measure(table)
        pictures(ROOT / "docs/samplers.png")
    plot(table, ROOT / "docs/samplers.svg")


if __name__ == "__main__":
    main()
