"""What the scripts of bench/ share: where things are, what machine this is, a program that answers in JSON, medians."""
import datetime
import json
import pathlib
import platform
import re
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"


class Failed(Exception):
    """A program that did not answer; the last thing it said."""


def cpu_name():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


def eddy_version():
    header = (ROOT / "include/eddy/version.hpp").read_text()
    number = ".".join(re.findall(r"#define EDDY_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header))
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()
    return f"eddy {number}" + (f" ({commit})" if commit else "")


def compiler_version(compiler):
    return subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout.splitlines()[0]


def heading(*more):
    """CPU, date and versions, the first line of every report."""
    return ", ".join([cpu_name(), str(datetime.date.today()), eddy_version(), *more])


def run(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("Run with --help")]
        raise Failed(said[-1][:200] if said else f"status {done.returncode}")
    return done.stdout


def line_of(command):
    """The last line of a program's output, which is JSON."""
    return json.loads(run(command).strip().splitlines()[-1])


def eddy_bench(what, threads=None, iterations=None, **flags):
    command = [BUILD / "bench/eddy_bench", what]
    for key, value in dict(flags, threads=threads, iterations=iterations).items():
        if value is True:
            command.append(f"--{key}")
        elif value:
            command += [f"--{key}", value]
    return line_of(command)


def spread(values, form="{:.2f}"):
    """Median (lowest to highest)."""
    low, middle, high = (form.format(f(values)) for f in (min, statistics.median, max))
    return f"{middle} ({low} to {high})"
