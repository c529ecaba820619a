#!/usr/bin/env python3
"""Every [Key...] that the code or its pages cite stands in docs/references.md, and no work stands there that nobody cites."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
KEY = re.compile(r"[A-Z][A-Za-z]+(?:19|20)\d\d[a-z]?")
known = re.findall(r"^\| (\S+\d{4}[a-z]?) \|", (root / "docs/references.md").read_text(), re.M)
failures = [f"docs/references.md: {key} stands there twice" for key in sorted(set(known)) if known.count(key) > 1]
if known != sorted(known):
    failures.append("docs/references.md: the keys must be in order")
cited = set()
for folder in ("src", "include", "docs", "tests", "examples"):
    for path in sorted((root / folder).rglob("*")):
        if path.suffix not in (".cpp", ".hpp", ".md") or path.name == "references.md":
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for group in re.findall(r"\[([^\[\]]+)\]", line):
                for key in KEY.findall(group):
                    cited.add(key)
                    if key not in known:
                        failures.append(f"{path.relative_to(root)}:{number}: {key} is not in docs/references.md")
failures += [f"docs/references.md: nobody cites {key}" for key in known if key not in cited]
print("\n".join(failures) or f"citations: {len(known)} works, all known and all cited")
sys.exit(bool(failures))
