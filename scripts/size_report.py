#!/usr/bin/env python3
"""Lines of the files and functions of src/ and include/: median and largest. Fails above 400 a file or 80 a function, kernels
exempt."""
import pathlib
import re
import statistics
import sys

root = pathlib.Path(__file__).resolve().parent.parent
# What has braces of no meaning here goes, its line ends stay.
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|'
                   r'R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<!\d)\'(?:\\.|[^\'\\\n])*\'|^[ \t]*#[^\n]*', re.S | re.M)
NO_FUNCTION = re.compile(r"\b(namespace|struct|class|enum|union|extern)\b|=\s*$|^\s*(const|constexpr)\b[^(]*$")


def functions(text):
    """Name and lines of each function that stands in a namespace or a class."""
    text = NOISE.sub(lambda m: "\n" * m.group().count("\n"), text)
    start, depth, opened = 0, 0, None
    for at, c in enumerate(text):
        if c == "{":
            head = text[start:at]
            if opened is None and "(" in head and not NO_FUNCTION.search(head):
                opened = (depth, at - len(head.lstrip()), head.split("(")[0].split()[-1])
            depth += 1
        elif c == "}":
            depth -= 1
            if opened is not None and depth == opened[0]:
                yield opened[2], text.count("\n", opened[1], at) + 1
                opened = None
        if c in "{};" and opened is None:
            start = at + 1


texts = {p.relative_to(root): p.read_text() for folder in ("src", "include") for p in (root / folder).rglob("*.?pp")}
sizes = {path: len(text.splitlines()) for path, text in texts.items()}
lengths = sorted(((lines, name, path) for path, text in texts.items() for name, lines in functions(text)), reverse=True)
print(f"{len(sizes)} files, {sum(sizes.values())} lines, median {statistics.median(sizes.values()):.0f}")
for path, lines in sorted(sizes.items(), key=lambda item: -item[1])[:8]:
    print(f"{lines:5} {path}")
print(f"{len(lengths)} functions, median {statistics.median(entry[0] for entry in lengths):.0f}")
for lines, name, path in lengths[:4]:
    print(f"{lines:5} {name} in {path}")
too_long = [str(path) for path, lines in sizes.items() if lines > 400 and path.parts[1] != "kernels"]
too_long += [f"{name} in {path}" for lines, name, path in lengths if lines > 80 and path.parts[1] != "kernels"]
if too_long:
    sys.exit(f"over 400 lines a file or 80 a function: {', '.join(too_long)}")
