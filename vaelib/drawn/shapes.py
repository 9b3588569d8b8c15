"""Shapes for the drawn data sets: signed distances, soft edges, smooth random fields, streams.

All is float32 over a batch: a parameter has shape (n, 1, 1), an image (n, S, S). The square
image spans [-1, 1] both ways, u to the right and v DOWN; a distance is in the same unit, and
negative inside. No result depends on how many images are drawn at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy import ndarray

from vaelib.data.common import DataError

MIN_SIZE, MAX_SIZE = 16, 512
CHUNK_PIXELS = 2**15  # images drawn at once hold about this many pixels


def streams(seed: int, count: int) -> list[np.random.Generator]:
    """Independent generators of one seed. Image i owns row i of each, however many are drawn."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise DataError(f"seed is {seed!r}, expected a whole number of 0 or more")
    return [np.random.default_rng(s) for s in np.random.SeedSequence(int(seed)).spawn(count)]


def check_count(n: int, size: int) -> None:
    """Raise DataError for n < 1 or a size outside [16, 512]."""
    for name, value, low, high in (("n", n, 1, None), ("size", size, MIN_SIZE, MAX_SIZE)):
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or value < low or (high is not None and value > high):
            most = "or more" if high is None else f"to {high}"
            raise DataError(f"{name} is {value!r}, expected a whole number, {low} {most}")


def chunks(n: int, size: int) -> Iterator[slice]:
    """Slices that cover range(n), each small enough to stay in a processor's cache."""
    step = max(1, CHUNK_PIXELS // size**2)
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


@cache
def grid(size: int) -> tuple[ndarray, ndarray]:
    """Pixel centers u (1, 1, S) and v (1, S, 1) in [-1, 1]."""
    center = ((np.arange(size) + 0.5) * (2 / size) - 1).astype(np.float32)
    return center[None, None, :], center[None, :, None]


def column(table: ndarray, ranges: dict[str, tuple[float, float]]) -> dict[str, ndarray]:
    """Uniform numbers (n, K) as named parameters (n, 1, 1), each in its range."""
    low, high = np.array(list(ranges.values()), np.float32).T
    values = (low + table * (high - low)).astype(np.float32)
    return {name: values[:, i, None, None] for i, name in enumerate(ranges)}


def cover(distance: ndarray, width: float) -> ndarray:
    """How much of a pixel lies inside: 1 to 0 across an edge of `width`, 0.5 at distance 0."""
    t = np.clip(0.5 - distance / width, 0, 1)
    return t * t * (3 - 2 * t)


def step(x: ndarray, low: float, high: float) -> ndarray:
    """A smooth step from 0 at `low` to 1 at `high`."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def bump(x: ndarray, y: ndarray) -> ndarray:
    """A soft spot: 1 in its middle, about exp(-x^2 - y^2), exactly 0 from radius 2 on."""
    q = np.maximum(1 - 0.25 * (x * x + y * y), 0)
    q *= q
    return q * q


def mix(a: ndarray, b: ndarray, share: ndarray) -> ndarray:
    """a where `share` is 0, b where it is 1."""
    return a + (b - a) * share


def length(a: ndarray, b: ndarray) -> ndarray:
    """The length of the vector (a, b); many times faster than np.hypot, which guards overflow."""
    return np.sqrt(a * a + b * b)


def angle(y: ndarray, x: ndarray) -> ndarray:
    """The angle of the point (x, y), as np.arctan2 within 1e-5 and many times faster."""
    ax, ay = np.abs(x), np.abs(y)
    t = np.minimum(ax, ay) / (np.maximum(ax, ay) + 1e-9)
    q = t * t
    a = t * (
        0.99997726
        + q
        * (-0.33262347 + q * (0.19354346 + q * (-0.11643287 + q * (0.05265332 - 0.01172120 * q))))
    )
    a = np.where(ay > ax, np.pi / 2 - a, a).astype(t.dtype)
    return np.copysign(np.where(x < 0, np.pi - a, a).astype(t.dtype), y)


def ellipse(u: ndarray, v: ndarray, a: ndarray, b: ndarray) -> ndarray:
    """Distance to an ellipse with half axes a and b, exact to first order at its outline."""
    reach = length(u / a, v / b) + 1e-6
    slope = length(u / a**2, v / b**2) + 1e-6
    return reach * (reach - 1) / slope


def segment(u: ndarray, v: ndarray, start: tuple, end: tuple) -> tuple[ndarray, ndarray]:
    """Distance to the segment between two points, and the place along it in [0, 1]."""
    du, dv = end[0] - start[0], end[1] - start[1]
    pu, pv = u - start[0], v - start[1]
    along = np.clip((pu * du + pv * dv) / (du * du + dv * dv + 1e-9), 0, 1)
    return length(pu - along * du, pv - along * dv), along


def smooth_min(a: ndarray, b: ndarray, k: float) -> ndarray:
    """The minimum of two distances, with the corner between them rounded over a width k."""
    h = np.maximum(k - np.abs(a - b), 0) / k
    return np.minimum(a, b) - h * h * (k / 4)


def turn(u: ndarray, v: ndarray, angle: ndarray) -> tuple[ndarray, ndarray]:
    """Coordinates in a frame that is turned by `angle`, clockwise on the screen."""
    c, s = np.cos(angle), np.sin(angle)
    return u * c + v * s, v * c - u * s


@cache
def _waves(size: int, low: int, high: int) -> ndarray:
    """Cosines of order low to high - 1 at the pixel centers: (S, K)."""
    place = (np.arange(size)[:, None] + 0.5) / size
    return np.cos(np.pi * np.arange(low, high) * place).astype(np.float32)


def field(coef: ndarray, size: int, low: int = 0) -> ndarray:
    """A smooth random field (n, S, S) of about unit variance from normal numbers (n, K, K).

    Waves of order low to low + K - 1 both ways. One product of small matrices per image,
    so that an image does not depend on its neighbors in the batch.
    """
    k = coef.shape[-1]
    waves = _waves(size, low, low + k)
    return waves @ (coef * np.float32(2 / k)) @ waves.T
