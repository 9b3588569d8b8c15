"""The view of chapter 7: a point that the best denoiser and a trained one move step by step.

The page's JavaScript and the live widget compute from the same arrays: points of the curve
that the data lie on, and the arrows of trained denoisers on a grid.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vaelib.web import View, picture

START = (1.0, 0.1)
N_STEPS = 30
ARROWS = 13  # a side of the grid of arrows that is drawn
LONGEST = 0.8  # of the distance between two arrows; longer ones are cut
INKS = ("#222222", "#0072b2")  # exact and trained; as fg and blue in autoencoder.js


def denoising_walk(
    curve: NDArray,
    noise_stds: Sequence[float],
    learned: NDArray,
    *,
    extent: float,
    start: tuple[float, float] = START,
) -> View:
    """A point moved by x <- r(x), for the exact posterior mean and for a trained denoiser.

    curve       points that the data take with equal probability, (K, 2)
    noise_stds  the noise levels to choose from, (S,)
    learned     r(x) - x of the trained denoisers, (S, G, G, 2); [s, i, j] at the i-th of G
                equal steps of x_1 and the j-th of x_2 over [-extent, extent]

    Raises ValueError when the shapes do not fit.
    """
    curve, learned = np.asarray(curve, np.float32), np.asarray(learned, np.float16)
    side = learned.shape[1] if learned.ndim == 4 else 0
    if learned.shape != (len(noise_stds), side, side, 2) or curve.shape[1:] != (2,):
        raise ValueError(
            f"learned is {learned.shape} and curve {curve.shape}, expected (S, G, G, 2) with "
            f"S = {len(noise_stds)} noise levels, and (K, 2)"
        )
    stds = [float(s) for s in noise_stds]

    def live():
        import ipywidgets as w

        std = w.SelectionSlider(options=[(f"{s:g}", i) for i, s in enumerate(stds)], index=1)
        std.description = "noise s"
        coordinates = [
            w.FloatSlider(at, min=-extent, max=extent, step=0.1, description=name)
            for at, name in zip(start, ("x₁", "x₂"), strict=True)
        ]
        play = w.Play(min=0, max=N_STEPS, interval=300)
        step = w.IntSlider(min=0, max=N_STEPS, description="step")
        w.jslink((play, "value"), (step, "value"))

        def show(i: int, x1: float, x2: float, t: int) -> str:
            ways = walks(curve, stds[i], learned[i], extent, (x1, x2))
            drawn = svg(curve, stds[i], learned[i], extent, ways, t)
            return f"{drawn}<div>{sentence(curve, stds[i], ways, t)}</div>"

        made = picture(show, std, *coordinates, step)
        return w.VBox([std, w.HBox(coordinates), made, w.HBox([play, step])])

    data = {
        "curve": curve,
        "stds": stds,
        "learned": learned,
        "extent": float(extent),
        "start": list(start),
        "steps": N_STEPS,
        "arrows": ARROWS,
    }
    label = "Two denoisers, the exact one and a trained one, move a point of the plane"
    return View("denoising-walk", "autoencoder", data, label=label, live=live)


def best_denoiser(x: NDArray, curve: NDArray, std: float) -> NDArray:
    """The posterior mean of the clean point: (..., 2) -> (..., 2)."""
    curve = np.asarray(curve, float)
    squares = ((np.asarray(x, float)[..., None, :] - curve) ** 2).sum(-1)
    weights = np.exp((squares.min(-1, keepdims=True) - squares) / (2 * std**2))
    return weights @ curve / weights.sum(-1, keepdims=True)


def arrow_at(field: NDArray, extent: float, x: NDArray) -> NDArray:
    """A field on the grid, (G, G, 2), at points x (..., 2), linear in between, clamped outside."""
    field, last = np.asarray(field, float), len(field) - 1
    place = np.clip((np.asarray(x, float) + extent) / (2 * extent), 0, 1) * last
    low = np.minimum(place.astype(int), last - 1)
    (i, j), (u, v) = np.moveaxis(low, -1, 0), np.moveaxis((place - low)[..., None], -2, 0)
    return (1 - u) * ((1 - v) * field[i, j] + v * field[i, j + 1]) + u * (
        (1 - v) * field[i + 1, j] + v * field[i + 1, j + 1]
    )


def walks(
    curve: NDArray, std: float, field: NDArray, extent: float, start: Sequence[float]
) -> NDArray:
    """Where the exact and the trained denoiser have moved the point: (2, N_STEPS + 1, 2)."""
    ways = np.empty((2, N_STEPS + 1, 2))
    ways[:, 0] = start
    for t in range(N_STEPS):
        ways[0, t + 1] = best_denoiser(ways[0, t], curve, std)
        ways[1, t + 1] = ways[1, t] + arrow_at(field, extent, ways[1, t])
    return ways


def off_curve(curve: NDArray, x: NDArray) -> float:
    """Distance of x (2,) from the nearest point of the curve."""
    return float(np.sqrt(((np.asarray(curve, float) - x) ** 2).sum(-1).min()))


def sentence(curve: NDArray, std: float, ways: NDArray, step: int) -> str:
    """What the picture shows after `step` steps."""
    where = [
        f"{name} ({_number(way[step, 0])}, {_number(way[step, 1])}), "
        f"{_number(off_curve(curve, way[step]))} from the curve"
        for name, way in zip(("exact", "trained"), ways, strict=True)
    ]
    return f"Noise {_number(std)}, step {step} of {N_STEPS}: {'; '.join(where)}."


def svg(curve: NDArray, std: float, field: NDArray, extent: float, ways: NDArray, step: int) -> str:
    """The curve, the arrows of both denoisers and the two ways, as an SVG."""
    side = 360

    def px(points):
        x1, x2 = np.moveaxis(np.asarray(points, float), -1, 0)
        return np.stack([(x1 + extent), (extent - x2)], -1) / (2 * extent) * side

    ticks = (np.arange(ARROWS) + 0.5) / ARROWS * 2 * extent - extent
    at = np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2)
    parts = [_line(px(curve), "#767676", 4, "")]
    fields = best_denoiser(at, curve, std) - at, arrow_at(field, extent, at)
    longest = LONGEST * 2 * extent / ARROWS
    for arrow, ink, wide in zip(fields, INKS, (3, 1.2), strict=True):
        length = np.linalg.norm(arrow, axis=1, keepdims=True)
        end = at + arrow * np.minimum(1, longest / np.maximum(length, 1e-9))
        for (x, y), (u, v) in zip(px(at), px(end), strict=True):
            parts.append(
                f'<path d="M{x:.1f} {y:.1f}L{u:.1f} {v:.1f}" stroke="{ink}" stroke-width="{wide}"/>'
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{wide}" fill="{ink}"/>'
            )
    for way, ink, dash in zip(ways, INKS, ("", "6 4"), strict=True):
        points = px(way[: step + 1])
        x, y = points[-1]
        parts.append(_line(points, ink, 2.5, dash))
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{ink}"/>')
    frame = f"M0 0V{side}H{side}"
    numbers = "".join(
        f'<text x="{px((t, 0))[0]:.1f}" y="{side + 16}" text-anchor="middle">{_number(t, 0)}</text>'
        f'<text x="-6" y="{px((0, t))[1] + 4:.1f}" text-anchor="end">{_number(t, 0)}</text>'
        for t in range(-int(extent), int(extent) + 1)
    )
    return (
        f'<svg viewBox="-40 -6 {side + 50} {side + 44}" width="100%" style="max-width:{side}px" '
        f'role="img" aria-label="Two ways after step {step}" font-size="12">'
        f'<clipPath id="walk"><rect width="{side}" height="{side}"/></clipPath>'
        f'<g clip-path="url(#walk)">{"".join(parts)}</g>'
        f'<path d="{frame}" fill="none" stroke="#767676"/><g fill="currentColor">{numbers}'
        f'<text x="{side / 2}" y="{side + 34}" text-anchor="middle">x₁</text>'
        f'<text x="-32" y="{side / 2}">x₂</text></g></svg>'
    )


def _line(points: NDArray, ink: str, width: float, dash: str) -> str:
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<polyline points="{joined}" fill="none" stroke="{ink}" stroke-width="{width}" '
        f'stroke-dasharray="{dash}"/>'
    )


def _number(value: float, digits: int = 2) -> str:
    return f"{value:z,.{digits}f}".replace("-", "\u2212")
