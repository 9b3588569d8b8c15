"""Write each chapter's twin: notebooks/NN_name.md -> notebooks/NN_name.ipynb.

The Markdown is the source. The twin holds no outputs, and its cell ids come from the
cells' text, so a diff shows what changed and nothing else.

    python tools/pair.py            write the twins
    python tools/pair.py --check    write nothing; exit 1 when a twin is not what it should be
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from pathlib import Path

import jupytext
import nbformat
import yaml
from chapters import NOTEBOOKS, ROOT

INSTALL = """\
# Only needed where the book's package is missing, as on Colab.
try:
    import vaelib  # noqa: F401
except ModuleNotFoundError:
    get_ipython().run_line_magic("pip", "install --quiet git+{url}")"""


def twin(path: Path) -> str:
    """The .ipynb text that belongs to a chapter's Markdown."""
    notebook = jupytext.read(path, fmt="md:myst")
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
    url = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
    notebook.cells.insert(0, nbformat.v4.new_code_cell(INSTALL.format(url=url)))
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        text = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[text] += 1
        cell.id = text if seen[text] == 1 else f"{text}-{seen[text]}"
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing, exit 1 on a difference"
    )
    check = parser.parse_args().check
    sources = sorted(NOTEBOOKS.glob("*.md"))
    wanted = {path.with_suffix(".ipynb"): twin(path) for path in sources}
    orphans = sorted(set(NOTEBOOKS.glob("*.ipynb")) - set(wanted))
    stale = [p for p, text in wanted.items() if not p.exists() or p.read_text() != text]
    for path in orphans:
        print(f"{path.relative_to(ROOT)}: has no .md beside it; delete it or write its source")
    for path in stale:
        if check:
            print(f"{path.relative_to(ROOT)}: differs from its .md; run `make pair`")
        else:
            path.write_text(wanted[path])
            print(f"{path.relative_to(ROOT)}: written")
    return 1 if orphans or (check and stale) else 0


if __name__ == "__main__":
    sys.exit(main())
