"""How the book's figures look, and the drawings that more than one chapter needs.

The only room that imports matplotlib and seaborn. Functions take arrays and an Axes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Circle

# Okabe and Ito's palette, told apart by every common kind of color vision.
BLUE, ORANGE, GREEN, PINK, AMBER, SKY = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9",
)  # fmt: skip
GRAY = "#767676"

# The same color for the same thing in every chapter.
COLORS = {
    "prior": GRAY,
    "posterior": BLUE,
    "likelihood": GREEN,
    "data": SKY,
    "model": BLUE,
    "truth": "#222222",
    "thesis": ORANGE,
    "failure": ORANGE,
}

# Ten classes need ten hues: told apart with labels beside them, never by color alone.
DIGITS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00",
    "#56B4E9", "#7A4FA3", "#8C6D31", "#B40F20", "#4D4D4D",
)  # fmt: skip
DIGITS_CMAP = ListedColormap(DIGITS, name="digits")


def use_style() -> None:
    """The book's style sheet; sharp figures in a notebook."""
    plt.style.use(Path(__file__).with_name("vaelib.mplstyle"))
    from IPython import get_ipython

    if get_ipython() is not None:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("retina")


def image_grid(images: np.ndarray, ax: Axes, *, n_columns: int, vmax: float = 1.0) -> None:
    """Images (N, H, W) in [0, vmax] side by side, row by row from the top left."""
    n, height, width = images.shape
    n_rows = -(-n // n_columns)
    canvas = np.zeros((n_rows * n_columns, height, width))
    canvas[:n] = images
    tiles = canvas.reshape(n_rows, n_columns, height, width).swapaxes(1, 2)
    ax.imshow(tiles.reshape(n_rows * height, n_columns * width), vmin=0, vmax=vmax, cmap="gray")
    ax.set_axis_off()


def latent_scatter(z: np.ndarray, labels: Sequence[int], ax: Axes, *, size: float = 4) -> None:
    """Points z (N, 2) colored by digit, each class named near its median."""
    z, labels = np.asarray(z), np.asarray(labels)
    ax.scatter(*z.T, c=labels, cmap=DIGITS_CMAP, vmin=-0.5, vmax=9.5, s=size, alpha=0.6, lw=0)
    for digit, (x, y) in zip(np.unique(labels), label_places(z, labels), strict=True):
        ax.text(
            x, y, str(digit), ha="center", va="center", fontweight="bold", fontsize=11,
            color=DIGITS[digit],
            bbox={"boxstyle": "circle,pad=0.2", "fc": "white", "ec": DIGITS[digit], "lw": 1.4},
        )  # fmt: skip
    ax.set(xlabel="$z_1$", ylabel="$z_2$", aspect="equal")


def label_places(z: np.ndarray, labels: Sequence[int], gap: float = 0.5) -> np.ndarray:
    """Where to name each class of points z (N, 2): its median, moved until `gap` from the others.

    One row for each class in sorted order, (K, 2).
    """
    z, labels = np.asarray(z, float), np.asarray(labels)
    places = np.stack([np.median(z[labels == c], axis=0) for c in np.unique(labels)])
    places += 1e-6 * np.arange(len(places))[:, None]  # two equal medians get a direction
    for _ in range(100):
        apart = places[:, None] - places
        distance = np.linalg.norm(apart, axis=-1) + np.eye(len(places)) * gap
        push = np.maximum(gap - distance, 0) / 2
        if not push.any():
            break
        places += (apart / distance[..., None] * push[..., None]).sum(axis=1)
    return places


def latent_plane(images: np.ndarray, extent: float, ax: Axes) -> None:
    """Images (side, side, H, W), [i, j] decoded at the i-th z_2 and the j-th z_1, both ascending.

    Drawn as a map of [-extent, extent]^2 with z_1 to the right and z_2 up, as `latent_scatter`.
    """
    side, _, height, width = images.shape
    rows = np.asarray(images)[::-1]  # the largest z_2 on top
    canvas = rows.swapaxes(1, 2).reshape(side * height, side * width)
    ax.imshow(canvas, extent=(-extent, extent, -extent, extent), vmin=0, vmax=1, cmap="gray")
    ax.set(xlabel="$z_1$", ylabel="$z_2$")
    ax.grid(False)


def layered(parents: Mapping[str, Sequence[str]]) -> dict[str, tuple[float, float]]:
    """A place (x, y) for each node of a directed acyclic graph: parents above their children.

    parents  node -> its parents. A node stands one row below its lowest parent; a row keeps the
             order of `parents` and is centered at 0, one unit between neighbors.

    Raises ValueError when the graph has a cycle.
    """
    try:
        order = list(TopologicalSorter(parents).static_order())
    except CycleError as error:
        raise ValueError(f"no rows for a graph with a cycle: {error.args[1]}") from error
    row: dict[str, int] = {}
    for node in order:
        row[node] = 1 + max((row[parent] for parent in parents[node]), default=-1)
    places = {}
    for level in sorted(set(row.values())):
        nodes = [node for node in parents if row[node] == level]
        for i, node in enumerate(nodes):
            places[node] = (i - (len(nodes) - 1) / 2, -float(level))
    return places


def graph(
    parents: Mapping[str, Sequence[str]],
    ax: Axes,
    *,
    places: Mapping[str, tuple[float, float]] | None = None,
    observed: Collection[str] = (),
    names: Mapping[str, str] | None = None,
    radius: float = 0.3,
) -> None:
    """A graph of circles and arrows, parent -> child; observed nodes shaded, with a double rim.

    parents  node -> its parents; nothing else decides which arrows there are
    places   node -> (x, y); `layered` when left out
    names    what to write into a circle (the node itself when left out)
    """
    places = layered(parents) if places is None else places
    for node, (x, y) in places.items():
        seen = node in observed
        face = "#cfe3f3" if seen else "white"
        ax.add_patch(Circle((x, y), radius, facecolor=face, edgecolor="#222222", lw=1.5, zorder=2))
        if seen:
            rim = Circle((x, y), 0.84 * radius, facecolor="none", edgecolor="#222222", lw=0.8)
            ax.add_patch(rim).set_zorder(2)
        ax.text(
            x, y, (names or {}).get(node, node), ha="center", va="center", zorder=3, fontsize=13
        )
        for parent in parents[node]:
            start, end = np.array(places[parent], float), np.array([x, y], float)
            step = (end - start) / np.linalg.norm(end - start)
            ax.annotate(
                "", end - step * radius, start + step * radius,
                arrowprops={"arrowstyle": "-|>", "color": "#222222", "shrinkA": 0, "shrinkB": 0},
            )  # fmt: skip
    (left, low), (right, high) = (f(list(places.values()), axis=0) for f in (np.min, np.max))
    pad = 1.3 * radius
    ax.set(xlim=(left - pad, right + pad), ylim=(low - pad, high + pad), aspect="equal")
    ax.set_axis_off()
