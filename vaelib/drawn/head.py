"""The head of a portrait: the geometry that all layers share, and the light on it.

Lengths are in half widths of the image. X, Y are coordinates on the turned head: X to the right
of the middle of the face, Y down from the center of the head.
"""

from __future__ import annotations

import copy

import numpy as np
from numpy import ndarray

from vaelib.drawn import shapes
from vaelib.drawn.color import palette
from vaelib.drawn.shapes import ellipse

EYE_X, EYE_Y = 0.205, -0.01  # the eyes, relative to the middle of the face
TURN = 0.36  # radians at yaw 1
SKIN = (
    (0.99, 0.87, 0.79),
    (0.96, 0.79, 0.67),
    (0.87, 0.66, 0.50),
    (0.66, 0.46, 0.33),
    (0.45, 0.31, 0.24),
)


class Head:
    """The geometry of n heads, arrays (n, S, S) over the image; `hair.grow` adds the last three."""

    hair: ndarray
    mane: ndarray
    strands: ndarray

    def __init__(self, p: dict[str, ndarray], size: int):
        self.p, self.edge = p, np.float32(3 / size)
        self.u, self.v = shapes.grid(size)
        self.a = 0.435 + 0.075 * p["roundness"]
        self.b = 0.625 - 0.03 * p["roundness"]
        self.Y = self.v
        self.sin, self.cos = np.sin(TURN * p["yaw"]), np.cos(TURN * p["yaw"])
        y = np.clip(self.Y / self.b, -1, 1)
        taper = 1 - (0.17 - 0.11 * p["roundness"]) * np.maximum(y, 0) ** 1.5
        self.x = self.u / (self.a * taper)  # -1 .. 1 across the head
        self.outline = ellipse(self.x * self.a, self.Y, self.a, self.b)
        self.z = np.sqrt(np.maximum(1 - 0.9 * self.x**2 - 0.5 * y * y, 0.05))
        self.X = (self.x * self.cos - self.z * self.sin) * self.a
        self.side = np.abs(self.X)
        self.light = _lit(p["light"], self.x, y, self.z)
        self.tone = palette(SKIN, p["skin"])

    def part(self, rows: slice) -> Head:
        """The same head, in some rows of the image."""
        part = copy.copy(self)
        for name in ("v", "Y", "x", "outline", "z", "X", "side", "light", "mane", "strands"):
            setattr(part, name, getattr(self, name)[:, rows])
        return part


def _lit(light: ndarray, x: ndarray, y: ndarray, z: ndarray) -> ndarray:
    """How much light falls on a ball at (x, y, z), from 0 to 1, soft into the shadow."""
    lx, ly, lz = 1.05 * light, -0.42, 0.72
    dot = (x * lx + y * ly + z * lz) / np.sqrt(lx**2 + ly**2 + lz**2)
    return np.clip(0.36 + 0.64 * dot, 0, 1)
