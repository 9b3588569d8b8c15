"""Hair of a portrait: behind the head, over the forehead, brows and beard."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from vaelib.drawn.color import paint, palette, rgb
from vaelib.drawn.head import EYE_X, EYE_Y, Head
from vaelib.drawn.shapes import angle, bump, cover, ellipse, mix, smooth_min, step

SHADES = (
    (0.09, 0.07, 0.08),
    (0.22, 0.14, 0.10),
    (0.42, 0.27, 0.16),
    (0.70, 0.51, 0.29),
    (0.93, 0.79, 0.54),
)


def grow(head: Head) -> None:
    """Give a head its hair: tone (n, 3, 1, 1), distance to the outline and strands (n, S, S)."""
    head.hair, head.mane, head.strands = _color(head.p), _outline(head), _strands(head)


def _color(p: dict[str, ndarray]) -> ndarray:
    """Black to blond, with some red, gray with age."""
    tone = palette(SHADES, p["blond"])
    ginger = rgb(0.62, 0.24, 0.10) * (0.45 + 0.85 * p["blond"][:, None])
    tone = mix(
        tone, ginger, (0.85 * step(p["red"], 0.35, 1.0) * step(-p["age"], -0.8, -0.5))[:, None]
    )
    return mix(tone, rgb(0.78, 0.78, 0.80), (0.92 * step(p["age"], 0.5, 0.95))[:, None])


def _outline(head: Head) -> ndarray:
    """Distance to the outline of all hair."""
    p, u, v = head.p, head.u, head.v
    long = p["hair_length"]
    volume = 0.02 + 0.06 * step(long, 0.0, 0.3) + 0.025 * p["curl"]
    around = angle(u, 0.1 - v)
    wave = p["curl"] * 0.016 * np.sin(13 * around + 3 * p["parting"])
    cap = (
        ellipse(u - 0.03 * head.sin, v + 0.08, head.a + volume, head.b + 0.6 * volume - 0.01) - wave
    )
    end = _end(p) + 0.10 * long - 0.25 * long * u * u + 0.02 * p["curl"] * np.sin(22 * u)
    wide = head.a + volume - 0.015 + 0.10 * long * np.maximum(v, 0)
    curtain = np.maximum(np.abs(u) - wide - wave, -0.05 - v)
    return -smooth_min(-smooth_min(cap, curtain, 0.1), end - v, 0.12)


def _end(p: dict[str, ndarray]) -> ndarray:
    """Where the hair ends, below the middle of the image."""
    return 0.02 + 0.98 * p["hair_length"]


def _fade(head: Head) -> ndarray:
    """Short hair grows thin above the ears; (n, S, 1)."""
    short = 1 - step(head.p["hair_length"], 0.0, 0.3)
    return 1 - short * (1 - step(_end(head.p) - head.Y, -0.02, 0.20))


def _strands(head: Head) -> ndarray:
    """Light and dark of the strands, which fall from the parting."""
    p = head.p
    x = head.X - 0.22 * p["parting"]
    fall = angle(x, 0.75 + head.Y + 0.9 * np.abs(x))
    wave = 0.35 * p["curl"] * np.sin(9 * head.Y + 4 * head.side)
    tone = 0.10 * np.sin(22 * fall + 4 * wave) + 0.07 * np.sin(47 * fall + 2 + 6 * wave)
    ring = (head.Y + 0.47 - 0.5 * head.X**2 - 0.05 * np.sin(26 * fall)) / 0.07
    return tone + 0.22 * bump(ring, 0) * (0.35 + head.light)


def behind(canvas: ndarray, head: Head) -> None:
    """The hair at the back, in the shade."""
    level = 0.48 + 0.25 * head.light + 0.5 * head.strands
    paint(canvas, head.hair * level[:, None], _fade(head) * cover(head.mane, head.edge))


def front(canvas: ndarray, head: Head) -> None:
    """The hair over the forehead and at both sides of the face."""
    p = head.p
    apart = np.abs(head.X - 0.22 * p["parting"])
    top = -0.47 - 0.05 * step(p["age"], 0.4, 1.0) + 0.20 * p["fringe"] ** 2
    edge = top + (1.1 - 0.6 * p["fringe"]) * apart**1.5 + 0.008 * np.sin(40 * head.X)
    aside = np.maximum(head.side / head.a, np.abs(head.x) - 0.06)
    beside = mix(edge, _end(p) + 0.02, step(aside, 0.88, 1.0))
    line = head.Y - beside
    slope = np.gradient(line, head.edge * 2 / 3, axis=2)
    line = line / np.sqrt(1 + slope * slope)
    shape = np.maximum(head.mane, line)
    shadow = cover(np.maximum(head.outline, line - 0.05), 4 * head.edge)
    paint(canvas, 0.6 * canvas, 0.35 * shadow)
    level = 0.62 + 0.50 * head.light + head.strands
    paint(canvas, head.hair * level[:, None], _fade(head) * cover(shape, head.edge))


def brows(canvas: ndarray, head: Head) -> None:
    """Two arcs, thicker toward the nose."""
    out = (head.side - EYE_X - 0.005) / 0.13
    y = head.Y - EYE_Y + 0.125 + 0.035 * (1 - out * out) - 0.012 * out
    thick = (0.009 + 0.016 * head.p["brows"]) * (1 - 0.45 * out)
    shape = np.maximum(np.abs(y) - thick, 0.13 * (np.abs(out) - 1))
    tone = mix(0.75 * head.hair, 0.45 * head.tone, np.float32(0.3))
    paint(canvas, tone, 0.85 * cover(shape, 1.3 * head.edge))


def beard(canvas: ndarray, head: Head) -> None:
    """From the ears along the jaw and over the lip: stubble that grows dense and long."""
    full = head.p["beard"]
    cheek = bump((head.side - 0.19) / 0.09, 0)
    line = 0.215 + 0.07 * cheek - 1.3 * np.maximum(head.side - 0.28, 0)
    line = np.maximum(line, -0.05)
    top = step(head.Y - line, -0.05 + 0.02 * full, 0.05 - 0.02 * full)
    hairs = full * np.sin(46 * angle(head.X, 0.1 + head.Y))
    dense = 0.35 * step(full, 0.0, 0.2) + 0.6 * step(full, 0.1, 0.8)
    level = 0.52 + 0.42 * head.light + 0.03 * hairs
    share = dense * top * cover(head.outline - 0.05 * full, 1.6 * head.edge)
    paint(canvas, 0.9 * head.hair * level[:, None], share)
