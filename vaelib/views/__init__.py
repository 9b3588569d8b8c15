"""Live views: one ES module each, the same in a running kernel and in a page without one.

A view is an anywidget: its synced traits are what a reader moves with the mouse and what a cell
reads and sets (`view.mean`). In a built page there is no kernel; there the traits live in a
small object of core.js, and the module runs inside the page, which needs nothing else.
Python holds the traits, checks and packs the data; drawing and arithmetic are the module's.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import anywidget
import numpy as np
import traitlets

HERE = Path(__file__).parent
# Names of array types as core.js knows them.
DTYPES = {"float32": "f32", "float16": "f16", "int8": "i8", "uint8": "u8", "int32": "i32"}
IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.MULTILINE)


class Choice(traitlets.TraitType):
    """A synced trait: one of the values in `data[among]` of its view, at first the first one.

    Setting it to anything else raises traitlets.TraitError.
    """

    def __init__(self, among: str):
        super().__init__()
        self.among = among
        self.tag(sync=True)

    def choices(self, view: View) -> Sequence:
        """What can be chosen in this view."""
        return view.data[self.among]

    def default(self, view: View | None = None) -> object:
        """Called by traitlets where no value was given."""
        return self.choices(view)[0] if view is not None else None

    def validate(self, view: View, value: object) -> object:
        """Called by traitlets: the choice that equals value."""
        choices = self.choices(view)
        if value not in choices:
            shown = ", ".join(map(str, choices))
            raise traitlets.TraitError(f"{self.name} is one of {shown}, not {value!r}")
        return choices[choices.index(value)]


class Place(Choice):
    """The place of one of the values in `data[among]`: 0, 1, ..."""

    def choices(self, view: View) -> Sequence:
        """What can be chosen in this view."""
        return range(len(view.data[self.among]))


class View(anywidget.AnyWidget):
    """An interactive figure. Display it as the last value of a cell; read and set its traits.

    A subclass says `_esm = bundle("elbo")`, the name of its script, and declares as synced traits
    what a reader can change. `data` is what never changes: JSON values and numpy arrays of the
    types in DTYPES. `label` is what a screen reader calls the view.

    Raises TypeError for a trait that it does not have or an array of another type, and
    traitlets.TraitError for a value that a trait does not take.
    """

    data = traitlets.Dict(read_only=True).tag(sync=True, to_json=lambda data, _: pack(data, bytes))
    label = traitlets.Unicode(read_only=True).tag(sync=True)

    _css = (HERE / "view.css").read_text(encoding="utf-8")

    def __init__(self, data: dict, label: str, **traits: object):
        unknown = traits.keys() - set(self.own_traits())
        if unknown:
            known = ", ".join(name for name in self.own_traits() if name not in ("data", "label"))
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}: {known}")
        pack(data, bytes)  # refuses what no page could take, before anything is displayed
        # Before the rest: the traits are checked against the data, and all go out in one message.
        self.set_trait("data", data)
        self.set_trait("label", label)
        super().__init__(**traits)

    def _repr_mimebundle_(self, **kwargs: object) -> tuple[dict, dict]:
        live, metadata = super()._repr_mimebundle_(**kwargs)
        return {**live, "text/html": self.html, "text/plain": self.label}, metadata

    @property
    def html(self) -> str:
        """The view as one HTML fragment that needs no kernel and no other file.

        It starts from the present values of the traits; each copy on a page has its own.
        """
        state = {name: getattr(self, name) for name in self.own_traits()}
        # No "<" may stand in a script: "</script>" would end it, "<!--" would hide its end.
        state = json.dumps(pack(state, _base64), separators=(",", ":")).replace("<", "\\u003c")
        name = type(self).__name__
        return (
            f'<style>{self._css}</style>\n<div class="vw-place" data-view="{name}"><noscript>'
            "This view needs JavaScript; the figure above shows the same without it."
            f'</noscript></div>\n<script type="module">\n{self._esm}\n'
            # Modules run in their order on the page: each takes the first place still empty.
            f"const place = document.querySelector('[data-view={name}]:not([data-live])');\n"
            'place.dataset.live = "";\n'
            f"place.model = pageModel({state});\n"
            "render({ model: place.model, el: place });\n</script>"
        )

    def page(self) -> str:
        """The view alone on a page, for tests and for embedding elsewhere."""
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{html.escape(self.label)}</title></head><body>{self.html}</body></html>"
        )

    @classmethod
    def own_traits(cls) -> list[str]:
        """The names of the traits that the script sees: those of the view, not of every widget."""
        names = set(cls.class_trait_names(sync=True)) - _OF_EVERY_WIDGET
        return sorted(name for name in names if not name.startswith("_"))


_OF_EVERY_WIDGET = set(anywidget.AnyWidget.class_trait_names(sync=True))


def bundle(script: str) -> str:
    """A view's script and those that it imports, as one module: anywidget takes one file.

    Each is there once, after what it imports; a name at the top of one file may not stand at the
    top of another.
    """
    parts: dict[str, str] = {}

    def add(name: str) -> None:
        if name in parts:
            return
        source = (HERE / f"{name}.js").read_text(encoding="utf-8")
        for imported in IMPORT.findall(source):
            add(imported)
        parts[name] = IMPORT.sub("", source)

    add(script)
    return "\n".join(parts.values())


def pack(value: object, binary: Callable[[bytes], object]) -> object:
    """Arrays to {dtype, shape, bytes: binary(their bytes)}, the rest as JSON takes it.

    Raises TypeError for an array of a type that is not in DTYPES.
    """
    if isinstance(value, np.ndarray):
        if value.dtype.name not in DTYPES:
            raise TypeError(f"a view takes arrays of {', '.join(DTYPES)}, not {value.dtype.name}")
        raw = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<")).tobytes()
        return {"dtype": DTYPES[value.dtype.name], "shape": list(value.shape), "bytes": binary(raw)}
    if isinstance(value, dict):
        return {key: pack(item, binary) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [pack(item, binary) for item in value]
    return value


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
