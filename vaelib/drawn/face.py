"""How a portrait is painted: from the backdrop to the hair over the forehead, layer by layer.

Coordinates are those of `head`.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from vaelib.drawn import hair
from vaelib.drawn.color import hue, paint, palette, rgb, shaded
from vaelib.drawn.head import EYE_X, EYE_Y, Head
from vaelib.drawn.shapes import bump, cover, ellipse, length, mix, step

IRIS = (
    (0.30, 0.18, 0.10),
    (0.48, 0.32, 0.15),
    (0.33, 0.47, 0.28),
    (0.25, 0.48, 0.66),
    (0.35, 0.60, 0.80),
)
MOUTH_Y = 0.335


def draw(p: dict[str, ndarray], size: int) -> ndarray:
    """Images (n, 3, S, S), about in [0, 1], of attributes (n, 1, 1) by name."""
    head = Head(p, size)
    hair.grow(head)
    canvas = _backdrop(head)
    for layer, low, high in LAYERS:
        rows = slice(int((1 + low) / 2 * size), int(np.ceil((1 + high) / 2 * size)))
        layer(canvas[:, :, rows], head.part(rows))
    return canvas


def _backdrop(head: Head) -> ndarray:
    p = head.p
    glow = bump((head.u - 0.35 * p["light"]) / 1.1, (head.v + 0.15) / 1.1)
    return hue(p["backdrop"], 0.60, 0.13) * (0.72 + 0.42 * glow)[:, None]


def _bust(canvas: ndarray, head: Head) -> None:
    """Neck, shoulders and what they wear, in the shadow of the chin."""
    p, u, v, edge = head.p, head.u, head.v, head.edge
    shift = 0.05 * head.sin
    neck = np.abs(u - shift) - 0.20 - 0.05 * p["roundness"] - 0.25 * np.maximum(v - 0.68, 0) ** 1.2
    shadow = step(-v, -0.92, -0.56)
    lit = 0.80 + 0.22 * np.clip(p["light"] * u * 3, -1, 1) - 0.30 * shadow
    paint(
        canvas,
        shaded(head.tone, lit, 0),
        cover(neck, edge) * step(v, 0.2, 0.3),
    )
    cloth = ellipse(u, v - 1.22, 0.86, 0.50)
    collar = ellipse(u - 0.6 * shift, v - 0.66, 0.27 + 0.04 * p["roundness"], 0.22)
    lit = 0.88 + 0.25 * np.clip(p["light"] * u, -1, 1) - 0.35 * np.maximum(v - 0.75, 0)
    lit = lit - 0.22 * cover(np.abs(collar - 0.035) - 0.012, edge)
    paint(
        canvas,
        hue(p["clothes"], 0.42, 0.24) * lit[:, None],
        cover(np.maximum(cloth, -collar), edge),
    )


def _ears(canvas: ndarray, head: Head) -> None:
    for sign in (-1, 1):
        u = head.u - sign * head.a * head.cos + 0.16 * head.a * head.sin
        inner = bump((u - sign * 0.02) / 0.035, (head.Y - 0.045) / 0.07)
        ear = ellipse(u, head.Y - 0.045, 0.075, 0.12)
        paint(canvas, head.tone * (0.84 - 0.22 * inner)[:, None], cover(ear, head.edge))


def _skin(canvas: ndarray, head: Head) -> None:
    """The face, shaded as a ball, with all soft shadows of its parts."""
    p = head.p
    level = 0.60 + 0.47 * head.light - _relief(head)
    blush = bump((head.side - 0.26) / 0.11, (head.Y - 0.17) / 0.08)
    blush = (0.20 + 0.14 * p["smile"]) * blush
    color = shaded(head.tone, level, blush)
    gloss = bump((head.X - 0.10 * p["light"]) / 0.14, (head.Y + 0.34) / 0.09)
    color += (0.06 * gloss)[:, None]
    paint(canvas, color, cover(head.outline, head.edge))


def _relief(head: Head) -> ndarray:
    """Darkness from nose, eye sockets, folds and lines; light counts as negative."""
    p, X, Y, side = head.p, head.X, head.Y, head.side
    nose = X - 0.11 * head.sin * step(Y, -0.12, 0.13)  # the tip stands out
    big = 0.6 + 1.0 * p["nose"]
    bridge = step(Y, -0.10, 0.0) * step(-Y, -0.19, -0.13)
    slope = bump((nose + (0.045 + 0.02 * bridge) * big * np.clip(3 * p["light"], -1, 1)) / 0.035, 0)
    dark = 0.16 * np.abs(p["light"]) * slope * bridge
    dark += 0.20 * bump(nose / (0.075 * big), (Y - 0.192) / 0.022)
    dark -= 0.13 * bump((nose - 0.012 * p["light"]) / (0.028 * big), (Y - 0.135) / 0.03)
    dark -= 0.05 * bump(nose / 0.022, (Y - 0.03) / 0.09)
    dark += 0.34 * bump((np.abs(nose) - 0.032 * big) / 0.016, (Y - 0.178) / 0.011)
    dark += 0.13 * bump((np.abs(nose) - 0.068 * big) / 0.012, (Y - 0.155) / 0.032)
    dark += 0.10 * bump((side - EYE_X) / 0.12, (Y - EYE_Y + 0.05) / 0.055)
    dark += 0.09 * bump(X / 0.08, (Y - MOUTH_Y - 0.12) / 0.022)
    dark += 0.10 * step(Y, 0.42, 0.62)
    old = step(p["age"], 0.25, 1.0)
    dark += 0.20 * old * bump((side - EYE_X) / 0.07, (Y - EYE_Y - 0.092) / 0.014)
    fold = side - 0.085 - 0.55 * (Y - 0.17)
    folds = np.maximum(0.75 * np.maximum(p["smile"], 0), old)
    dark += 0.17 * folds * bump(fold / 0.016, (Y - 0.24) / 0.06)
    wave = np.cos((Y + 0.30 + 0.12 * X * X) * (2 * np.pi / 0.075))
    dark += 0.09 * old * np.maximum(wave, 0) ** 3 * bump(X / 0.2, (Y + 0.30) / 0.085)
    crow = np.cos((Y - EYE_Y - 0.01) / (np.maximum(side, 0.28) - 0.16) * 7) * bump(
        (side - 0.345) / 0.03, (Y - EYE_Y) / 0.05
    )
    return dark + 0.10 * old * np.where(side > 0.28, crow, 0)


def _mouth(canvas: ndarray, head: Head) -> None:
    p, edge, X = head.p, head.edge, head.X
    smile, y = p["smile"], head.Y - MOUTH_Y
    wide = 0.175 + 0.04 * smile
    r = np.minimum((X / wide) ** 2, 2)
    arch = 1 - r
    middle = np.where(smile > 0, -0.098, -0.055).astype(np.float32) * smile * (r - 0.45)
    gap = 0.095 * step(smile, 0.15, 1.0) * arch
    top = middle - (0.010 + 0.032 * p["lips"]) * np.sqrt(np.maximum(arch, 0)) * (
        1 - 0.3 * bump(X / 0.03, 0)
    )
    low = middle + gap + (0.015 + 0.045 * p["lips"]) * np.sqrt(np.maximum(arch, 0))
    inside = np.abs(X) - wide
    lips = np.maximum(np.maximum(top - y, y - low), inside)
    tone = mix(head.tone * rgb(0.88, 0.55, 0.53), rgb(0.72, 0.27, 0.28), np.float32(0.35))
    level = 0.72 + 0.36 * head.light - 0.16 * step(-y + middle, -0.02, 0.03)
    level = level + 0.16 * bump((X - 0.04 * p["light"]) / 0.05, (y - low + 0.022) / 0.014)
    paint(canvas, tone * level[:, None], cover(lips, edge))
    open_ = np.maximum(np.maximum(middle - y, y - middle - gap), inside + 0.01)
    wide_open = step(gap, 0.012, 0.055)  # a thin slit shows no teeth
    share = cover(open_, edge) * wide_open
    teeth = step(-(y - middle - 0.78 * gap), -0.01, 0.01)
    paint(canvas, mix(rgb(0.35, 0.10, 0.11), rgb(0.97, 0.95, 0.92), teeth[:, None]), share)
    line = np.maximum(np.abs(y - middle) - 0.004, inside - 0.008)
    paint(canvas, tone * np.float32(0.38), (0.8 - 0.5 * wide_open) * cover(line, edge))


def _eyes(canvas: ndarray, head: Head) -> None:
    p, edge = head.p, head.edge
    out = head.side - EYE_X  # outward of the middle of the eye, on both sides
    x = head.X - np.copysign(np.float32(EYE_X), head.X)
    y = head.Y - EYE_Y + 0.10 * out
    arch = 1 - np.minimum((out / 0.105) ** 2, 1.5)
    upper, lower = -0.058 * arch, 0.042 * arch
    ball = np.maximum(upper - y, y - lower)
    white = (
        rgb(0.97, 0.96, 0.95)
        * (0.80 + 0.22 * head.light - 0.22 * step(-(y - upper), -0.035, 0.0))[:, None]
    )
    paint(canvas, white, cover(ball, edge))
    away = length(x - 0.012 * p["yaw"], y + 0.008)
    tone = (
        palette(IRIS, p["eyes"])
        * (1.12 - 0.55 * step(away, 0.022, 0.05) + 4 * np.maximum(y, 0))[:, None]
    )
    seen = cover(ball, edge)
    paint(canvas, tone, seen * cover(away - 0.05, edge))
    paint(canvas, rgb(0.05, 0.04, 0.05), seen * cover(away - 0.021, edge))
    spark = length(x - 0.012 * p["yaw"] - 0.018 * np.clip(3 * p["light"], -1, 1), y + 0.026)
    paint(canvas, rgb(1, 1, 1), 0.95 * seen * cover(spark - 0.013, edge))
    near = step(arch, -0.15, 0.1)
    paint(canvas, rgb(0.14, 0.09, 0.08), 0.9 * near * cover(np.abs(y - upper) - 0.010, edge))
    paint(
        canvas,
        head.tone * rgb(0.55, 0.40, 0.38),
        0.4 * near * cover(np.abs(y - lower) - 0.004, edge),
    )
    paint(
        canvas,
        head.tone * rgb(0.60, 0.46, 0.42),
        0.45 * near * cover(np.abs(y - upper + 0.034) - 0.005, edge),
    )


def _glasses(canvas: ndarray, head: Head) -> None:
    p, edge = head.p, head.edge
    X = head.X - 0.05 * head.sin
    side, y = np.abs(X), head.Y - EYE_Y - 0.012
    x = (side - EYE_X) / 0.145
    round_, square = length(x, y / 0.128), np.sqrt(length(x * x, (y / 0.118) ** 2))
    rim = 0.13 * (mix(round_, square, p["frame"]) - 1)
    worn = p["glasses"]
    glare = bump((x + y / 0.12 + 0.5) / 0.35, 0)
    paint(canvas, rgb(0.93, 0.97, 1.0), worn * cover(rim, edge) * (0.06 + 0.20 * glare))
    bridge = np.maximum(np.abs(y + 0.045 + 0.6 * X * X) - 0.011, side - 0.075)
    temple = np.maximum(np.maximum(np.abs(y + 0.035) - 0.010, 0.35 - side), head.outline)
    frame = np.minimum(np.minimum(np.abs(rim) - 0.013, bridge), temple)
    tone = mix(rgb(0.12, 0.10, 0.12), rgb(0.42, 0.20, 0.12), p["frame"][:, None])
    paint(canvas, tone * (0.8 + 0.3 * head.light)[:, None], worn * cover(frame, edge))


# What is painted over what, and the rows (lowest and highest v) that a layer can reach.
LAYERS = (
    (hair.behind, -1.0, 1.0),
    (_bust, 0.2, 1.0),
    (_ears, -0.15, 0.25),
    (_skin, -0.68, 0.68),
    (hair.beard, -0.15, 0.75),
    (_mouth, 0.18, 0.58),
    (_eyes, -0.16, 0.12),
    (hair.brows, -0.25, -0.05),
    (_glasses, -0.20, 0.22),
    (hair.front, -1.0, 1.0),
)
