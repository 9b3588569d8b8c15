"""Figures in the theme of the page, and under each other on a phone.

A run carries several renderings of each figure (vaelib.renderings). They are written beside the
PNG that MyST-NB writes, under its name, and the page's <img> becomes two <picture> elements, of
which the style sheet shows the one of the theme; each takes the narrow file on a phone.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
from pathlib import Path

from nbformat import NotebookNode
from PIL import Image

from vaelib import renderings

FIGURE = re.compile(
    r'<img (?P<before>[^>]*?)src="(?P<folder>[^"]*_images/)(?P<name>[0-9a-f]{64})\.png"'
    r"(?P<after>[^>]*?)/?>"
)
SIZE = re.compile(r'style="width: (?P<width>\d+)px; height: (?P<height>\d+)px;"')
PHONE = "(max-width: 600px)"
DENSITY = 2  # pixels of a file for one of the page


def collect(runs: dict[str, NotebookNode]) -> dict[str, dict[str, bytes]]:
    """The renderings of all figures of the runs, by the name that MyST-NB gives the PNG."""
    found = {}
    for run in runs.values():
        for cell in run.cells:
            for output in cell.get("outputs", []):
                data = output.get("data", {})
                if renderings.MIME in data:
                    png = base64.b64decode(data["image/png"])
                    others = data[renderings.MIME]
                    found[hashlib.sha256(png).hexdigest()] = {
                        kind: base64.b64decode(image) for kind, image in others.items()
                    }
    return found


def show_renderings(app, pagename, templatename, context, doctree) -> None:
    """Replace the figures of a page that have renderings. The first needs no waiting."""
    if "body" not in context:
        return
    seen = 0

    def pictures(match: re.Match) -> str:
        nonlocal seen
        there = app.book_renderings.get(match["name"])
        if there is None:
            return match[0]
        seen += 1
        attributes = _attributes(f"{match['before']} {match['after']}", lazy=seen > 1)
        path = match["folder"] + match["name"]
        return _picture("light", f"{path}.png", path, "narrow", there, attributes) + _picture(
            "dark", f"{path}-dark.webp", path, "narrow-dark", there, attributes
        )

    context["body"] = FIGURE.sub(pictures, context["body"])


def write_renderings(app, problem) -> None:
    """Put the files where the pages look for them, for the figures that pages show."""
    if problem is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir, "_images")
    for name, there in app.book_renderings.items():
        if (folder / f"{name}.png").exists():
            for kind, image in there.items():
                (folder / f"{name}-{kind}.webp").write_bytes(image)


def _attributes(text: str, *, lazy: bool) -> str:
    """Alternative text and class as they were; the size also as attributes, so nothing jumps."""
    size = SIZE.search(text)
    if size:
        text += f' width="{size["width"]}" height="{size["height"]}"'
    if lazy:
        text += ' loading="lazy"'
    return " ".join(text.split())


def _picture(theme: str, source: str, path: str, kind: str, there: dict, attributes: str) -> str:
    narrow = ""
    if kind in there:
        width, height = Image.open(io.BytesIO(there[kind])).size
        narrow = (
            f'<source media="{PHONE}" srcset="{path}-{kind}.webp" '
            f'width="{width // DENSITY}" height="{height // DENSITY}">'
        )
    return (
        f'<picture class="figure-{theme}">{narrow}'
        f'<img class="dark-light" src="{source}" {attributes}></picture>'
    )
