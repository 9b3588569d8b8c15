"""How the book's figures look, and the drawings that more than one chapter needs.

The only room that imports matplotlib and seaborn. Functions take arrays and an Axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

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
    """Points z (N, 2) colored by digit, each class named at its median."""
    z, labels = np.asarray(z), np.asarray(labels)
    ax.scatter(*z.T, c=labels, cmap=DIGITS_CMAP, vmin=-0.5, vmax=9.5, s=size, alpha=0.6, lw=0)
    for digit in np.unique(labels):
        x, y = np.median(z[labels == digit], axis=0)
        ax.text(
            x, y, str(digit), ha="center", va="center", fontweight="bold", fontsize=12,
            color=DIGITS[digit],
            bbox={"boxstyle": "circle,pad=0.22", "fc": "white", "ec": DIGITS[digit], "lw": 1.4},
        )  # fmt: skip
    ax.set(xlabel="$z_1$", ylabel="$z_2$", aspect="equal")
