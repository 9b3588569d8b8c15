"""What the labels of the book name, with the numbers that the built pages give them.

Sphinx counts figures, equations and each kind of theorem by chapter; a chapter's number is
that of its file name (book/_ext/book_numbers.py). This pass over the sources counts likewise,
and tests/browser compares the two.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import chapters
import jupytext
import myst
import statements
from nbformat import NotebookNode


class ReferenceProblem(ValueError):
    """A reference to a label, a work or a file that does not exist."""


@dataclass(frozen=True)
class Label:
    """A place in the book: `kind` is figure, equation, section, block or a kind of theorem."""

    name: str
    kind: str
    number: str  # "5.2", or "" where the pages give none
    title: str  # MyST: a section's heading, a figure's caption
    page: str  # "notebooks/05_cavi_mixture" or "book/errata"


@dataclass
class Labels:
    """All labels of the book, and which of them are referred to."""

    found: dict[str, Label] = field(default_factory=dict)
    wanted: set[str] = field(default_factory=set)

    def __getitem__(self, name: str) -> Label:
        if name not in self.found:
            raise ReferenceProblem(f"nothing has the label {name!r}")
        return self.found[name]

    def add(self, label: Label) -> None:
        self.found[label.name] = label


@cache
def of_book() -> Labels:
    """The labels of all chapters and of the pages in book/."""
    labels = Labels()
    for path in sorted(chapters.NOTEBOOKS.glob("*.md")):
        read_chapter(labels, path.stem, source(path))
        _note_references(labels, statements.table(path.stem))
    for path in sorted((chapters.ROOT / "book").glob("*.md")):
        _read_text(labels, f"book/{path.stem}", path.read_text(), "", Counter())
    return labels


@cache
def source(path: Path) -> NotebookNode:
    """A chapter as a notebook; it is read twice, so it is kept."""
    return jupytext.read(path, fmt="md:myst")


def chapter_number(name: str) -> str:
    """The number of a chapter: "5" for 05_cavi_mixture."""
    found = re.match(r"(\d+)_", name)
    return str(int(found[1])) if found else ""


def figure(cell: NotebookNode) -> dict | None:
    """Name and caption of the figure that a code cell makes, if its metadata say so."""
    found = cell.metadata.get("mystnb", {}).get("figure")
    return dict(found) if found and found.get("caption") else None


def read_chapter(labels: Labels, name: str, notebook: NotebookNode) -> None:
    """Add a chapter's labels, counting through its cells."""
    page, number, counts = f"notebooks/{name}", chapter_number(name), Counter()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            _read_text(labels, page, cell.source, number, counts)
        elif found := figure(cell):
            counts["figure"] += 1
            # Captioned figures are counted whether they have a name or not.
            label = found.get("name") or f"{name}-figure-{counts['figure']}"
            _add(labels, page, label, "figure", number, counts, found["caption"])
            _note_references(labels, found["caption"])


def count(number: str, counts: Counter, kind: str) -> str:
    """The number "5.3" of the last counted thing of a kind; pages without a number count alone."""
    return f"{number}.{counts[kind]}" if number else str(counts[kind])


def _read_text(labels: Labels, page: str, text: str, number: str, counts: Counter) -> None:
    waiting: list[str] = []
    tokens = list(myst.walk(text))
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        found = myst.directive(token)
        kind = found.name.removeprefix("prf:") if found else ""
        if token.type == "myst_target":
            waiting.append(token.content)
            continue
        if token.type == "math_block_label":
            counts["equation"] += 1
            _add(labels, page, token.info, "equation", number, counts)
        elif found and (found.name.startswith("prf:") and kind != "proof"):
            counts[kind] += "nonumber" not in found.options
            if "label" in found.options:
                _add(labels, page, found.options["label"], kind, number, counts, found.argument)
        elif found and found.name == "figure":
            counts["figure"] += 1
            if "name" in found.options:
                name = found.options["name"]
                _add(labels, page, name, "figure", number, counts, found.body)
        for name in waiting:
            heading = token.type == "heading_open"
            title = following.content if heading and following else ""
            labels.add(Label(name, "section" if heading else "block", "", title, page))
        waiting = []
        labels.wanted.update(references(token))
    for name in waiting:  # a target above a code cell
        labels.add(Label(name, "block", "", "", page))


def references(token) -> Iterator[str]:
    """The labels that a role or link refers to."""
    if token.type == "link_open" and "#" in token.attrs["href"]:
        yield token.attrs["href"].partition("#")[2]
    elif token.type == "myst_role" and not token.meta["name"].startswith("cite"):
        yield role_target(token.content)[1]


def role_target(content: str) -> tuple[str, str]:
    """Words and label of "words <label>"; no words for a label alone."""
    found = re.fullmatch(r"(.*?)\s*<([^<>]+)>", content.strip())
    return (found[1], found[2]) if found else ("", content.strip())


def _note_references(labels: Labels, text: str) -> None:
    for token in myst.walk(text):
        labels.wanted.update(references(token))


def _add(
    labels: Labels, page: str, name: str, kind: str, number: str, counts: Counter, title: str = ""
) -> None:
    labels.add(Label(name, kind, count(number, counts, kind), title, page))
