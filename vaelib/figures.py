"""The style of the book's figures, and the drawings that more than one chapter uses.

With `renderings` the only module that imports matplotlib and seaborn; seaborn is imported on first
use, since that takes about two seconds. Functions take arrays and draw on an Axes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from graphlib import TopologicalSorter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Circle

from vaelib import renderings
from vaelib.estimate import HALF_WIDTH_95, Estimate

# The palette of Okabe and Ito, safe for all common kinds of color blindness.
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

# Ten hues for ten classes: always with labels beside them, never by color alone.
DIGITS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00",
    "#56B4E9", "#7A4FA3", "#8C6D31", "#B40F20", "#4D4D4D",
)  # fmt: skip
DIGITS_CMAP = ListedColormap(DIGITS, name="digits")


def use_style() -> None:
    """Apply the book's style sheet; in a notebook, draw at twice the resolution."""
    plt.style.use(Path(__file__).with_name("vaelib.mplstyle"))
    from IPython import get_ipython

    if get_ipython() is not None:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("retina")
        renderings.register()


def image_grid(images: np.ndarray, ax: Axes, *, n_columns: int) -> None:
    """Draw images (N, H, W) with values in [0, 1] in a grid, row by row from the top left."""
    n, height, width = images.shape
    n_rows = -(-n // n_columns)
    canvas = np.zeros((n_rows * n_columns, height, width))
    canvas[:n] = images
    tiles = canvas.reshape(n_rows, n_columns, height, width).swapaxes(1, 2)
    ax.imshow(tiles.reshape(n_rows * height, n_columns * width), vmin=0, vmax=1, cmap="gray")
    ax.set_axis_off()


def latent_scatter(z: np.ndarray, labels: Sequence[int], ax: Axes, *, size: float = 4) -> None:
    """Draw points z (N, 2) colored by digit (N,), each class labeled near its median."""
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
    """Positions for the class labels of points z (N, 2): one row per class, sorted, (K, 2).

    Each is the median of its class, moved until it is `gap` away from the others.
    """
    z, labels = np.asarray(z, float), np.asarray(labels)
    places = np.stack([np.median(z[labels == c], axis=0) for c in np.unique(labels)])
    places += 1e-6 * np.arange(len(places))[:, None]  # so that equal medians move apart
    for _ in range(100):
        apart = places[:, None] - places
        distance = np.linalg.norm(apart, axis=-1) + np.eye(len(places)) * gap
        push = np.maximum(gap - distance, 0) / 2
        if not push.any():
            break
        places += (apart / distance[..., None] * push[..., None]).sum(axis=1)
    return places


def latent_plane(images: np.ndarray, extent: float, ax: Axes) -> None:
    """Draw images decoded on a grid of [-extent, extent]^2, on the axes of `latent_scatter`.

    images (side, side, H, W): [i, j] is decoded at the i-th z_2 and the j-th z_1, both ascending.
    """
    side, _, height, width = images.shape
    rows = np.asarray(images)[::-1]  # the largest z_2 on top
    canvas = rows.swapaxes(1, 2).reshape(side * height, side * width)
    ax.imshow(canvas, extent=(-extent, extent, -extent, extent), vmin=0, vmax=1, cmap="gray")
    ax.set(xlabel="$z_1$", ylabel="$z_2$")
    ax.grid(False)


def heatmap(values: np.ndarray, ax: Axes, **options: object) -> None:
    """Draw a matrix with its values written into the cells; `seaborn.heatmap` takes the options.

    The text is black or white, whichever has the larger contrast to its cell (at least 4.5 : 1).
    """
    import seaborn

    seaborn.heatmap(values, ax=ax, annot=True, cbar=False, linewidths=0.5, **options)
    mesh = ax.collections[0]
    ax.set_facecolor(mesh.cmap(0.0))  # of masked cells
    ax.grid(visible=False)
    ax.tick_params(length=0)
    ax.tick_params("y", rotation=0)
    colors = mesh.get_facecolors().reshape(*np.shape(values), -1)[..., :3]
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    luminance = linear @ (0.2126, 0.7152, 0.0722)
    for text in ax.texts:
        column, row = map(int, text.get_position())
        text.set_color("white" if luminance[row, column] < 0.18 else "black")
        text.set_text(text.get_text().replace("-", "\N{MINUS SIGN}"))


def histogram(values: np.ndarray, edges: np.ndarray, ax: Axes, **options: object) -> None:
    """Draw the share of values (N,) per bin as an outline; `seaborn.histplot` takes the options."""
    import seaborn

    seaborn.histplot(
        x=values, bins=edges, stat="probability", element="step", fill=False, ax=ax, **options
    )


def mean_band(x: np.ndarray, samples: np.ndarray, ax: Axes, **line: object) -> None:
    """Draw the mean over samples (N, X) against x (X,), with a 95 % band of that mean.

    `seaborn.lineplot` takes the options of the line.
    """
    import seaborn

    seaborn.lineplot(
        x=np.tile(x, len(samples)), y=np.ravel(samples), errorbar=("se", HALF_WIDTH_95),
        err_kws={"alpha": 0.2, "linewidth": 0}, legend=False, ax=ax, **line,
    )  # fmt: skip


def band(x: Sequence[float], estimates: Iterable[Estimate], ax: Axes, **line: object) -> None:
    """Draw estimates, one for each x (X,), with the band of their 95 % intervals.

    For standard errors that were computed already, from a bootstrap for example.
    """
    value, stderr = np.array([(each.value, each.stderr) for each in estimates]).T
    (drawn,) = ax.plot(x, value, **line)
    low, high = value - HALF_WIDTH_95 * stderr, value + HALF_WIDTH_95 * stderr
    ax.fill_between(x, low, high, color=drawn.get_color(), alpha=0.2, lw=0)


def layered(parents: Mapping[str, Sequence[str]]) -> dict[str, tuple[float, float]]:
    """Positions (x, y) for the nodes of a directed acyclic graph, parents above children.

    parents  node -> its parents. A node is one row below its lowest parent; within a row, nodes
             keep the order of `parents`, one unit apart, centered at 0.

    Raises ValueError (graphlib.CycleError) if the graph has a cycle.
    """
    row: dict[str, int] = {}
    for node in TopologicalSorter(parents).static_order():
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
    places: Mapping[str, tuple[float, float]],
    observed: Collection[str] = (),
    names: Mapping[str, str] | None = None,
    radius: float = 0.3,
) -> None:
    """Draw a directed graph: circles, arrows from parent to child, observed nodes shaded.

    parents   node -> its parents; an arrow for each, and no others
    places    node -> (x, y), those of `layered` for example
    observed  nodes that are shaded and have a double rim
    names     node -> its label; by default the node itself
    """
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
