"""How a figure looks besides light and wide: on a dark page, and on a phone.

`register` has every figure of a notebook pass through here before it is shown: colored words that
are too pale for a white ground are darkened. Where a chapter is run for pages, its figure is
rendered up to four times, and all renderings travel beside the PNG in the output of its cell.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from matplotlib import colors
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import Collection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from vaelib import runtime

MIME = "application/vnd.vaelib.figure+json"
WHITE, DARK = (1.0, 1.0, 1.0), (0.07, 0.07, 0.07)  # the grounds of the two themes
TEXT_CONTRAST, MARK_CONTRAST = 4.6, 3.1  # over 4.5 and 3 to 1, as readers with weak eyes need
COLUMN = 4.4  # inches of a panel in a narrow figure
LONE = 5.2  # inches of a wide figure of one panel
MOST_PANELS = 6  # more are a grid of pictures, whose columns mean something
WIDE = 1.5  # width over height from which a figure of one panel gets a narrow rendering


def register() -> None:
    """Show the figures of this notebook through `bundle`. Does nothing outside of IPython."""
    from IPython import get_ipython

    if (shell := get_ipython()) is not None:
        shell.display_formatter.mimebundle_formatter.for_type(Figure, bundle)


def bundle(fig: Figure, include: object = None, exclude: object = None) -> dict[str, dict]:
    """What IPython shows of a figure beside its PNG: for pages, the other renderings of it."""
    darken_words(fig)
    if not runtime.for_pages():
        return {}
    found = renderings(fig)
    return {MIME: {name: base64.b64encode(image).decode() for name, image in found.items()}}


def renderings(fig: Figure) -> dict[str, bytes]:
    """WebP images of a figure: "dark", and where it is wide "narrow" and "narrow-dark".

    The figure is then as it was.
    """
    with dark(fig):
        found = {"dark": _webp(fig)}
    with narrow(fig) as changed:
        if changed:
            found["narrow"] = _webp(fig)
            with dark(fig):
                found["narrow-dark"] = _webp(fig)
    return found


# --- colors ---------------------------------------------------------------------------------


def darken_words(fig: Figure) -> None:
    """Darken colored words until they stand out from white, at least 4.5 to 1."""
    for text in _words(fig):
        red, green, blue = colors.to_rgb(text.get_color())
        if max(red, green, blue) - min(red, green, blue) > 0.2:
            text.set_color(readable((red, green, blue), WHITE, TEXT_CONTRAST))


@contextmanager
def dark(fig: Figure) -> Iterator[None]:
    """The figure in colors for a dark ground; pictures and color maps stay as they are."""
    fig.canvas.draw()  # ticks exist from now on
    undo: list[Callable[[], None]] = []

    def change(artist: Artist, name: str, old: object, value: object) -> None:
        undo.append(lambda: getattr(artist, f"set_{name}")(old))
        getattr(artist, f"set_{name}")(value)

    for artist in _artists(fig):
        if isinstance(artist, Text):
            continue
        if isinstance(artist, Line2D):
            names = ("color", "markerfacecolor", "markeredgecolor")
            now = {name: getattr(artist, f"get_{name}")() for name in names}
            for name, color in now.items():  # read first: the last two may follow the first
                if not (isinstance(color, str) and color in ("none", "auto")):
                    change(artist, name, color, for_dark(color))
        elif isinstance(artist, Patch) or (
            isinstance(artist, Collection)
            and not isinstance(artist, QuadMesh)
            and artist.get_array() is None
        ):
            for name in ("facecolor", "edgecolor"):
                old = getattr(artist, f"get_{name}")()
                change(artist, name, old, _each(old))
    for text in _words(fig):
        old = text.get_color()
        change(text, "color", old, for_dark(old, TEXT_CONTRAST))
    try:
        yield
    finally:
        for step in reversed(undo):
            step()


def for_dark(color: object, contrast: float = MARK_CONTRAST) -> tuple[float, ...]:
    """A color of the light figure on a dark ground: grays are turned around, hues lightened.

    A pale hue, which is a ground for something, becomes a deep one. Opacity is kept.
    """
    *rgb, alpha = colors.to_rgba(color)
    gray = sum(rgb) / 3
    if max(rgb) - min(rgb) < 0.12:
        turned = DARK[0] + (1 - gray) * (0.93 - DARK[0])
        return turned, turned, turned, alpha
    if gray > 0.78:
        return *(0.75 * DARK[0] + 0.2 * part for part in rgb), alpha
    return *readable(tuple(rgb), DARK, contrast), alpha


def readable(
    rgb: tuple[float, ...], ground: tuple[float, ...], contrast: float
) -> tuple[float, ...]:
    """The color nearest to `rgb`, away from the ground, that has the contrast to it."""
    goal = np.zeros(3) if luminance(ground) > 0.5 else np.ones(3)
    for share in np.linspace(0, 1, 51):
        mixed = (1 - share) * np.array(rgb) + share * goal
        if contrast_of(mixed, ground) >= contrast:
            break
    return tuple(float(part) for part in mixed)


def luminance(rgb: object) -> float:
    """Relative luminance of an sRGB color, 0 to 1 (WCAG 2)."""
    parts = np.asarray(rgb, float)
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast_of(one: object, other: object) -> float:
    """Contrast ratio of two sRGB colors, 1 to 21 (WCAG 2)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _each(rgba: object) -> object:
    """One color or an array of them, each for a dark ground."""
    values = colors.to_rgba_array(rgba)
    mapped = [for_dark(value) if value[3] > 0 else tuple(value) for value in values]
    return mapped[0] if len(mapped) == 1 else mapped


def _artists(fig: Figure) -> Iterator[Artist]:
    """All artists, those that annotations keep to themselves included."""
    for artist in fig.findobj():
        yield artist
        for name in ("arrow_patch", "get_bbox_patch"):
            inner = getattr(artist, name, None)
            inner = inner() if callable(inner) else inner
            if isinstance(inner, Patch):
                yield inner


def _words(fig: Figure) -> Iterator[Text]:
    """The texts that stand on the ground of the figure, not on a picture or a color map."""
    on_pictures = {
        id(text)
        for ax in fig.axes
        if ax.images or any(isinstance(c, QuadMesh) for c in ax.collections)
        for text in ax.texts
    }
    for artist in fig.findobj(Text):
        if id(artist) not in on_pictures:
            yield artist


# --- panels ---------------------------------------------------------------------------------


@contextmanager
def narrow(fig: Figure) -> Iterator[bool]:
    """The figure for a phone, its panels under each other. Yields False where it stays as it is.

    A grid of many pictures does, and a drawing without axes.
    """
    size = tuple(fig.get_size_inches())
    panels = [ax for ax in fig.axes if ax.get_subplotspec() is not None]
    specs = {ax: ax.get_subplotspec() for ax in panels}
    if len(panels) == 1 and specs[panels[0]].get_gridspec().ncols == 1:
        changed = _shrink(fig, panels[0])
    else:
        changed = _stack(fig, panels)
    labels = [_label_all(ax) for ax in panels] if changed else []
    try:
        yield changed
    finally:
        for undo in labels:
            undo()
        for ax, spec in specs.items():
            ax.set_subplotspec(spec)
        fig.set_size_inches(*size)


def _shrink(fig: Figure, only: Axes) -> bool:
    """Draw a wide figure of one panel narrower, so that its words grow."""
    width, height = fig.get_size_inches()
    if width / height < WIDE or not only.axison or only.get_aspect() != "auto":
        return False
    fig.set_size_inches(LONE, max(height, 0.62 * LONE))
    return True


def _stack(fig: Figure, panels: list[Axes]) -> bool:
    width, height = fig.get_size_inches()
    columns = max((ax.get_subplotspec().get_gridspec().ncols for ax in panels), default=1)
    if columns == 1 or not 1 < len(panels) <= MOST_PANELS:
        return False
    panels = sorted(panels, key=_reading_order)
    heights = [_height(ax, width, height) for ax in panels]
    grid = GridSpec(len(panels), 1, figure=fig, height_ratios=heights)
    for place, ax in zip(grid, panels, strict=True):
        ax.set_subplotspec(place)
    fig.set_size_inches(COLUMN, sum(heights))
    return True


def _reading_order(ax: Axes) -> tuple[int, int]:
    spec = ax.get_subplotspec()
    return spec.rowspan.start, spec.colspan.start


def _label_all(ax: Axes) -> Callable[[], None]:
    """Show the tick labels of a panel that shares an axis; returns what hides them again."""
    groups = (ax.get_shared_x_axes(), ax.get_shared_y_axes())
    if not ax.axison or all(len(group.get_siblings(ax)) == 1 for group in groups):
        return lambda: None
    shown = {
        "labelbottom": ax.xaxis.get_tick_params().get("labelbottom", True),
        "labelleft": ax.yaxis.get_tick_params().get("labelleft", True),
    }
    ax.tick_params(labelbottom=True, labelleft=True)
    return lambda: ax.tick_params(**shown)


def _height(ax: Axes, width: float, height: float) -> float:
    """The height in inches of a panel that becomes as wide as a narrow figure."""
    spec = ax.get_subplotspec()
    grid = spec.get_gridspec()
    across = np.array(grid.get_width_ratios() or np.ones(grid.ncols), float)
    down = np.array(grid.get_height_ratios() or np.ones(grid.nrows), float)
    wide = width * across[list(spec.colspan)].sum() / across.sum()
    high = height * down[list(spec.rowspan)].sum() / down.sum()
    return float(np.clip(high * min(COLUMN / wide, 1.25), 1.4, 5.0))


def _webp(fig: Figure) -> bytes:
    """Rendered at the resolution of the notebook's own pictures, on a ground that shows through."""
    file = io.BytesIO()
    fig.savefig(
        file, format="webp", dpi=2 * fig.dpi, bbox_inches="tight", transparent=True,
        pil_kwargs={"lossless": True, "method": 3},
    )  # fmt: skip
    return file.getvalue()
