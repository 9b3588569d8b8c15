"""Take the outputs out of notebooks, before they are committed.

    python tools/strip.py FILE.ipynb ...

Exits 1 when a file had outputs (pre-commit then asks to stage it again), else 0. The text
it writes is that of tools/pair.py, so a notebook that was only run becomes its twin again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def stripped(text: str) -> str:
    """A notebook's JSON without outputs, counts and what editors keep about them."""
    notebook = json.loads(text)
    notebook["metadata"] = {
        key: value for key, value in notebook["metadata"].items() if key == "kernelspec"
    }
    for cell in notebook["cells"]:
        if isinstance(cell["source"], list):  # editors save a list of lines, a twin has one text
            cell["source"] = "".join(cell["source"])
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
        for key in ("execution", "collapsed", "scrolled", "trusted"):
            cell["metadata"].pop(key, None)
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main(names: list[str]) -> int:
    changed = 0
    for path in map(Path, names):
        before = path.read_text()
        after = stripped(before)
        if after != before:
            path.write_text(after)
            print(f"{path}: outputs removed")
            changed += 1
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
