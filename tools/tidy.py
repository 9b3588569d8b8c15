"""Restore in a chapter what editors rewrite.

That is the options of code cells, where a figure's name and caption stand on one line, and the
kernel's name.

    python tools/tidy.py FILE.md ...

Exits 1 when a file was changed (pre-commit then asks to stage it again), else 0. JupyterLab
does the same at every save (tools/lab_config.py), where jupytext wraps long lines.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import yaml
from jupytext.myst import parse_directive_options
from strip import KERNEL

OPENING = re.compile(r"(`{3,})\{code-cell\}.*")
# Jupyter writes "Python 3 (ipykernel)" and another order into the front matter.
KERNEL_LINES = re.compile(r"(\A---\n(?:.*\n)*?kernelspec:\n)(?: +.*\n)+")
PLAIN = re.compile(r"[A-Za-z][\w-]*")


def tidy(text: str) -> str:
    """The text of a chapter with all options of code cells written anew."""
    kernel = "".join(f"  {key}: {value}\n" for key, value in KERNEL.items())
    text = KERNEL_LINES.sub(rf"\g<1>{kernel}", text, count=1)
    lines, done = text.split("\n"), []
    while lines:
        line = lines.pop(0)
        done.append(line)
        opening = OPENING.fullmatch(line)
        if opening and opening[1] in lines:
            end = lines.index(opening[1])
            done += cell(lines[:end])
            lines = lines[end:]
    return "\n".join(done)


def cell(lines: list[str]) -> list[str]:
    """Options and code between the fences of a code cell."""
    code, options = parse_directive_options("\n".join(lines), "options of a cell: ")
    if not options:
        return lines
    if code and not code[0].strip():
        code = code[1:]
    return [*header(options), *code]


def header(options: dict) -> list[str]:
    """`:tags: [...]`, or a block between two `---` where an option has parts."""
    if not any(isinstance(value, dict) for value in options.values()):
        return [*(f":{key}: {flow(value)}" for key, value in options.items()), ""]
    lines = ["---"]
    for key, value in options.items():
        if isinstance(value, dict):
            lines.append(f"{key}:")
            lines += [f"  {name}: {flow(part)}" for name, part in value.items()]
        else:
            lines.append(f"{key}: {flow(value)}")
    return [*lines, "---"]


def flow(value: object) -> str:
    """A value in YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str) and PLAIN.fullmatch(value) and yaml.safe_load(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def main(names: list[str]) -> int:
    changed = 0
    for path in map(Path, names):
        before = path.read_text(encoding="utf-8")
        after = tidy(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"{path}: options of cells rewritten")
            changed += 1
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
