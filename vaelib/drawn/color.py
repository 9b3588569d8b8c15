"""Colors for the drawn portraits: palettes, and laying one color over another."""

from __future__ import annotations

import numpy as np
from numpy import ndarray


def rgb(r: float, g: float, b: float) -> ndarray:
    """One color for all images: (1, 3, 1, 1)."""
    return np.array([r, g, b], np.float32)[None, :, None, None]


def palette(anchors: tuple, place: ndarray) -> ndarray:
    """Colors (n, 3, 1, 1) at `place` (n, 1, 1) in [0, 1] along a row of anchors."""
    at = np.linspace(0, 1, len(anchors))
    color = [np.interp(place[:, 0, 0], at, channel) for channel in np.array(anchors).T]
    return np.stack(color, 1).astype(np.float32)[:, :, None, None]


def hue(place: ndarray, level: float, swing: float) -> ndarray:
    """A color (n, 3, 1, 1), `swing` around the gray of `level`, on 0.85 of the color wheel."""
    turn = 2 * np.pi * (0.85 * place[:, None] + rgb(0.0, 0.33, 0.67))
    return np.float32(level) + np.float32(swing) * np.cos(turn)


def paint(canvas: ndarray, color: ndarray, share: ndarray) -> None:
    """Lay a color over the canvas (n, 3, S, S) where `share` (n, S, S) is not 0."""
    change = color - canvas
    change *= share[:, None]
    canvas += change


def shaded(tone: ndarray, level: ndarray, blush: ndarray | float) -> ndarray:
    """Skin of a tone (n, 3, 1, 1) at a light level (n, S, S): red in the shadow and by blush."""
    color = tone * level[:, None]
    red = level - 1 - 1.5 * blush
    color *= 1 + rgb(-0.14, 0.16, 0.21) * red[:, None]
    return color
