"""Take the outputs out of notebooks, before they are committed.

    python tools/strip.py FILE.ipynb ...

Exits 1 when a file was changed (pre-commit then asks to stage it again), else 0. The text
it writes is that of tools/pair.py, so a notebook that was only run becomes what it was.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
BY_EDITORS = ("execution", "collapsed", "scrolled", "trusted")


def written(notebook: NotebookNode) -> str:
    """A notebook's text as it is committed, which is as Jupyter saves it."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL})
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def stripped(text: str) -> str:
    """A notebook's text without outputs, counts and what editors keep about them."""
    notebook = nbformat.reads(text, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        for key in BY_EDITORS:
            cell.metadata.pop(key, None)
    return written(notebook)


def main(names: list[str]) -> int:
    changed = 0
    for path in map(Path, names):
        before = path.read_text(encoding="utf-8")
        after = stripped(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"{path}: outputs removed")
            changed += 1
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
