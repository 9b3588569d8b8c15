"""Write each chapter's paired notebook: notebooks/NN_name.md -> notebooks/NN_name.ipynb.

The MyST Markdown is the source. The notebook has the same code cells and the same text in
plain Markdown (tools/plain.py), no outputs, and cell ids that come from the cells' text, so a
diff shows what changed and nothing else.

    python tools/pair.py            write the notebooks
    python tools/pair.py --check    write nothing; exit 1 when one is not what it should be
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import tomllib
from collections import Counter
from itertools import pairwise
from pathlib import Path

import citations
import labels
import myst
import strip
import yaml
from chapters import NOTEBOOKS, ROOT
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from plain import Page, folded

FOLDED = {"source_hidden": True}
KEPT = ("tags", "nbmake")  # of a source cell's metadata
CODE_BELOW = "*The code is in the folded cell below.*"
DEEPER = re.compile(r"(#{2,6}) (Deeper: .+?) *((?:<a id=\"[^\"]+\"></a>)*) *(?:\n|$)")

NOTE = """\
*This is the notebook of [{name}.md]({name}.md), which is the source: run it and change it as you \
like, your copy is yours, and saving it changes no page of the book.
To propose a change, edit the Markdown and run `make pair` \
([how](../CONTRIBUTING.md#how-a-chapter-is-made)).*"""

INSTALL = """\
# Installs the book's package where it is missing, as on Colab.
try:
    import vaelib  # noqa: F401
except ModuleNotFoundError:
    {install}"""
PIP = 'get_ipython().run_line_magic("pip", "install --quiet git+{url}@v{version}")'
NO_PLACE = (
    "raise ModuleNotFoundError(\n"
    '        "vaelib is not installed, and this copy of the book does not say where to get it: "\n'
    '        "run `make env` in the book\'s folder, or set repository.url in _config.yml"\n'
    "    ) from None"
)


def twin(path: Path) -> str:
    """The .ipynb text that belongs to a chapter's Markdown."""
    page = Page(f"notebooks/{path.stem}", labels.of_book())
    try:
        cells = converted(labels.source(path).cells, page, path.stem)
    except labels.ReferenceProblem as problem:
        raise labels.ReferenceProblem(f"{path.name}: {problem}") from problem
    if page.cited:
        cells.append(new_markdown_cell(f"## Works cited\n\n{citations.listed(page.cited)}"))
    first = 1 if cells and cells[0].cell_type == "markdown" else 0
    note = new_markdown_cell(NOTE.format(name=path.stem))
    cells[first:first] = [note, new_code_cell(install_cell(), metadata={"jupyter": FOLDED})]
    seen: Counter[str] = Counter()
    for cell in cells:
        text = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[text] += 1
        cell.id = text if seen[text] == 1 else f"{text}-{seen[text]}"
    return strip.written(new_notebook(cells=cells))


def install_cell() -> str:
    """Code that installs the released vaelib, or says in a sentence that it cannot."""
    place = repository()
    known = "OWNER/REPO" not in place
    install = PIP.format(url=place, version=version()) if known else NO_PLACE
    return INSTALL.format(install=install)


def repository() -> str:
    """The address of the book's repository; it holds OWNER/REPO until somebody sets it."""
    return yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]


def version() -> str:
    """The version of vaelib: its release has the tag v0.1.0."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def converted(sources: list[NotebookNode], page: Page, name: str) -> list[NotebookNode]:
    """The cells in plain Markdown, with the captions of figures under them."""
    number = labels.chapter_number(name)
    figures = 0
    cells: list[NotebookNode] = []
    for source in sources:
        if source.cell_type != "code":
            cells += map(new_markdown_cell, split_at_headings(page.markdown(source.source)))
            continue
        hidden = {"hide-input", "hide-cell"} & set(source.metadata.get("tags", []))
        metadata = {key: source.metadata[key] for key in KEPT if key in source.metadata}
        if hidden:
            # Not "outputs_hidden": JupyterLab takes it away when the cell is run.
            metadata["jupyter"] = FOLDED
        if "hide-cell" in hidden and cells and cells[-1].cell_type == "markdown":
            cells[-1].source += f"\n\n{CODE_BELOW}"
        cells.append(new_code_cell(source.source, metadata=metadata))
        if figure := labels.figure(source):
            figures += 1
            caption = page.caption(f"{number}.{figures}", figure["caption"], figure.get("name", ""))
            cells.append(new_markdown_cell(caption))
    if number and cells and cells[0].cell_type == "markdown":
        cells[0].source = re.sub(r"^# ", f"# {number}. ", cells[0].source, count=1, flags=re.M)
    return deeper(cells)


def deeper(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Sections "Deeper: ..." folded: as <details>, or where they hold code, as a folded heading.

    No <details> reaches over several cells. A folded heading hides its cells in JupyterLab;
    other programs show the section under its title.
    """
    found: list[NotebookNode] = []
    while cells:
        first, cells = cells[0], cells[1:]
        title = DEEPER.match(first.source) if first.cell_type == "markdown" else None
        if not title:
            found.append(first)
            continue
        levels = [heading_level(cell) for cell in cells]
        length = next((n for n, level in enumerate(levels) if 0 < level <= len(title[1])), None)
        section, cells = [first, *cells[:length]], cells[length:] if length is not None else []
        if all(cell.cell_type == "markdown" for cell in section):
            text = "\n\n".join(cell.source for cell in section).removeprefix(title[0])
            section = [new_markdown_cell(folded(title[2], text.strip(), title[3]))]
        else:
            heading = new_markdown_cell(title[0].strip())
            heading.metadata["jp-MarkdownHeadingCollapsed"] = True
            text = first.source.removeprefix(title[0]).strip()
            section[:1] = [heading, new_markdown_cell(text)] if text else [heading]
        found += section
    return found


def split_at_headings(source: str) -> list[str]:
    """A Markdown text in pieces that begin with a heading, as JupyterLab folds them."""
    lines = source.splitlines(keepends=True)
    tokens = myst.parse(source)
    starts = [t.map[0] for t in tokens if t.type == "heading_open" and t.level == 0]
    places = sorted({0, *starts, len(lines)})
    pieces = ("".join(lines[start:end]).strip("\n") for start, end in pairwise(places))
    return [piece for piece in pieces if piece]


def heading_level(cell: NotebookNode) -> int:
    """The level of the heading that a cell begins with; 0 for other cells."""
    found = re.match(r"(#{1,6}) ", cell.source) if cell.cell_type == "markdown" else None
    return len(found[1]) if found else 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing, exit 1 on a difference"
    )
    check = parser.parse_args(arguments).check
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
