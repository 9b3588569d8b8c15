"""Views that stay alive without a kernel.

A view is one cell output with two faces made from the same arrays: self-contained HTML
(plain JavaScript, data in base64, nothing fetched, works from file://) for the built page,
and an ipywidget for a live kernel. The page builder prefers the HTML, JupyterLab the widget.
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import ipywidgets

HERE = Path(__file__).parent
# Type names as core.js knows them.
DTYPES = {"float32": "f32", "float16": "f16", "int8": "i8", "uint8": "u8", "int32": "i32"}


class View:
    """An interactive figure. Display it as the last value of a cell.

    name     the element's id; copies of a view on one page are alive each
    script   the file web/<script>.js, an ES module that exports mount(root, data)
    data     what mount gets: JSON values and numpy arrays (float32, float16, int8, uint8, int32)
    label    what a screen reader says the view is
    live     makes the ipywidget for a running kernel; called when the view is displayed
    """

    def __init__(self, name: str, script: str, data: dict, *, label: str, live: Callable):
        self.name, self.script, self.data, self.label, self.live = name, script, data, label, live

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {"text/html": self.html, "text/plain": self.label} | _widget_bundle(self.live())

    @cached_property
    def html(self) -> str:
        """The whole view as one HTML fragment."""
        # No "<" may stand in a script: "</script>" would end it, "<!--" would hide its end.
        data, name = (
            json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
            for value in (_pack(self.data), self.name)
        )
        return (
            f"<style>{(HERE / 'widget.css').read_text(encoding='utf-8')}</style>"
            f'<div class="vw" id="{html.escape(self.name)}" role="group" '
            f'aria-label="{html.escape(self.label)}">'
            "<noscript>This view needs JavaScript; the figure above shows the same without it."
            "</noscript></div>\n"
            f"<script>\n(() => {{\n{bundle(self.script)}\n"
            # A view shown twice has its id twice: each script takes the first one still empty.
            'const root = [...document.querySelectorAll(".vw:not([data-mounted])")]'
            f".find((node) => node.id === {name});\n"
            'root.dataset.mounted = "";\n'
            f"mount(root, unpack({data}));\n}})();\n</script>"
        )

    def page(self) -> str:
        """The view alone on a page, for tests and for embedding elsewhere."""
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{html.escape(self.label)}</title></head><body>{self.html}</body></html>"
        )


def bundle(script: str) -> str:
    """core.js and one view as a single classic script: import and export lines fall away."""
    source = "\n".join(
        (HERE / f"{name}.js").read_text(encoding="utf-8")
        for name in dict.fromkeys(("core", script))
    )
    source = re.sub(r"^import .*?;\n", "", source, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^export ", "", source, flags=re.MULTILINE)


def picture(show: Callable[..., str], *controls: ipywidgets.ValueWidget) -> ipywidgets.HTML:
    """An HTML widget with show(*values of the controls), renewed when one of them changes."""
    import ipywidgets as w

    made = w.HTML()

    def update(_=None) -> None:
        made.value = show(*(control.value for control in controls))

    for control in controls:
        control.observe(update, "value")
    update()
    return made


def tiles(images: Mapping[str, np.ndarray], zoom: int) -> str:
    """Images (H, W) in [0, 1] in a row, each above its name, as HTML; pixels are zoom x zoom."""
    return "".join(
        f'<figure style="display:inline-block;margin:4px;text-align:center">'
        f'<img alt="{name}" width="{zoom * image.shape[1]}" src="data:image/png;base64,'
        f'{base64.b64encode(png(image, zoom)).decode()}">'
        f"<figcaption>{name}</figcaption></figure>"
        for name, image in images.items()
    )


def png(image: np.ndarray, zoom: int = 8) -> bytes:
    """An image (H, W) in [0, 1] as PNG, every pixel zoom x zoom."""
    from PIL import Image

    pixels = np.rint(255 * image).astype(np.uint8).repeat(zoom, 0).repeat(zoom, 1)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def _pack(value):
    """Arrays to {dtype, shape, base64}, the rest as JSON takes it."""
    if isinstance(value, np.ndarray):
        if value.dtype.name not in DTYPES:
            raise TypeError(f"a view takes arrays of {', '.join(DTYPES)}, not {value.dtype.name}")
        raw = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"))
        text = base64.b64encode(raw.tobytes()).decode()
        return {"dtype": DTYPES[value.dtype.name], "shape": list(value.shape), "base64": text}
    if isinstance(value, dict):
        return {key: _pack(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_pack(item) for item in value]
    return value


def _widget_bundle(widget) -> dict:
    bundle = widget._repr_mimebundle_() or {}
    return {mime: data for mime, data in bundle.items() if mime != "text/plain"}
