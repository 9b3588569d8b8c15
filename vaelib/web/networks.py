"""The view of chapter 2: a sum of sigmoids that climbs along a function, and its largest error."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from vaelib.web import View, picture

WIDTH, HEIGHT = 640, 300
BLUE, GRAY, INK = "#0072b2", "#767676", "currentColor"
PER_STEP = 16  # places in every step at which the error is measured, in networks.js too


@dataclass(frozen=True)
class Target:
    """A function on [0, 1] and a concave modulus of continuity, where it has one.

    f        values at x (N,), (N,)
    modulus  concave, |f(x) - f(y)| <= modulus(|x - y|); None for a function with a jump
    jump     where f jumps from 0 to 1, None for a continuous one
    """

    name: str
    f: Callable[[np.ndarray], np.ndarray]
    modulus: Callable[[float], float] | None
    jump: float | None = None


def _wave(x):
    return np.sin(2 * np.pi * x) + 0.5 * np.cos(5 * np.pi * x)


def _tent(x):
    return np.minimum(3 * x, 1.5 * (1 - x))


# The same four functions, in the same order, are in networks.js.
TARGETS = {
    "wave": Target("a wave", _wave, lambda h: 4.5 * math.pi * h),
    "tent": Target("a tent", _tent, lambda h: 3 * h),
    "root": Target("a square root", np.sqrt, math.sqrt),
    "step": Target("a jump", lambda x: np.heaviside(np.asarray(x) - 0.5, 0.5), None, jump=0.5),
}


def staircase(
    f: Callable[[np.ndarray], np.ndarray], n_steps: int, sharpness: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights w, biases b and heights alpha, (n_steps + 1,) each, of a sum of sigmoids.

    Step j climbs from f((j - 1) / n) to f(j / n) at (j - 1/2) / n with slope sharpness * n in its
    argument. The first unit has weight 0 and is the constant f(0).
    """
    values = f(np.arange(n_steps + 1) / n_steps)
    w = np.concatenate([[0.0], np.full(n_steps, sharpness * n_steps)])
    b = np.concatenate([[0.0], -sharpness * (np.arange(1, n_steps + 1) - 0.5)])
    return w, b, np.concatenate([[2 * values[0]], np.diff(values)])


def sigmoid_sum(x: np.ndarray, w: np.ndarray, b: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """sum_i alpha_i sigma(w_i x + b_i) at x (N,), thesis Theorem 1.1 with n = 1: (N,)."""
    total = np.empty(len(x))
    for start in range(0, len(x), 2048):  # a block of rows stays in the cache
        rows = slice(start, start + 2048)
        total[rows] = expit(np.outer(x[rows], w) + b) @ alpha
    return total


def largest_error(
    target: Target, n_steps: int, sharpness: float, per_step: int = PER_STEP
) -> float:
    """The largest |f - staircase| on a grid, per_step places a step, and beside a jump."""
    weights = staircase(target.f, n_steps, sharpness)
    x = np.arange(per_step * n_steps + 1) / (per_step * n_steps)
    error = np.abs(sigmoid_sum(x, *weights) - target.f(x)).max()
    if target.jump is not None:
        there = sigmoid_sum(np.array([target.jump]), *weights)[0]
        error = max(error, abs(there), abs(1 - there))
    return float(error)


def proven_bound(target: Target, n_steps: int, sharpness: float) -> float | None:
    """modulus((1/2 + 2 log 2 / sharpness) / n_steps): no error is larger. None after a jump."""
    if target.modulus is None:
        return None
    return target.modulus((0.5 + 2 * math.log(2) / sharpness) / n_steps)


def sentence(n_steps: int, error: float, bound: float | None) -> str:
    """What the picture shows."""
    steps = f"{n_steps:,} {'step' if n_steps == 1 else 'steps'}"
    proven = (
        "no continuous function comes closer to a jump of 1 than 0.5"
        if bound is None
        else f"proven to be at most {bound:,.4f}"
    )
    return f"{steps}: largest error {error:,.4f}, {proven}."


def networks_explorer(
    steps: Sequence[int], sharpnesses: Sequence[int], *, start: tuple[str, int, int]
) -> View:
    """Choose a function, the number of sigmoids and how steep they are.

    steps        the numbers of steps to choose from, ascending
    sharpnesses  the values to choose from
    start        (key of TARGETS, number of steps, sharpness) of the first picture

    Raises ValueError for a start that cannot be chosen.
    """
    choices = (tuple(TARGETS), steps, sharpnesses)
    for value, known in zip(start, choices, strict=True):
        if value not in known:
            raise ValueError(f"the view starts with {value!r}, which is not in {list(known)}")

    def live():
        import ipywidgets as w

        named = [(target.name, key) for key, target in TARGETS.items()]
        function = w.Dropdown(options=named, value=start[0], description="Function")
        count = w.SelectionSlider(options=list(steps), value=start[1], description="steps")
        sharp = w.SelectionSlider(
            options=list(sharpnesses), value=start[2], description="sharpness"
        )

        def show(key: str, n: int, s: int) -> str:
            error = largest_error(TARGETS[key], n, s)
            text = sentence(n, error, proven_bound(TARGETS[key], n, s))
            return f"{sum_svg(TARGETS[key], n, s)}<div>{text}</div>"

        return w.VBox([function, picture(show, function, count, sharp), count, sharp])

    data = {
        "steps": np.asarray(steps, np.int32),
        "sharpnesses": np.asarray(sharpnesses, np.int32),
        "start": [start[0], int(start[1]), int(start[2])],
    }
    label = "Explorer: a function, its sum of sigmoids, and the error against the number of steps"
    return View("networks-explorer", "networks", data, label=label, live=live)


def sum_svg(target: Target, n_steps: int, sharpness: float) -> str:
    """The function (black), its sum of sigmoids (blue) and the single steps (gray) as an SVG."""
    w, b, alpha = staircase(target.f, n_steps, sharpness)
    x = np.linspace(0, 1, 401)
    single = expit(np.outer(x, w) + b) * alpha  # (401, n_steps + 1)
    curves = [target.f(x), single.sum(1), *single[:, 1:].T]
    low, high = min(map(np.min, curves)), max(map(np.max, curves))

    def across(t: float) -> float:
        return 10 + (WIDTH - 20) * t

    def down(value: np.ndarray | float) -> np.ndarray | float:
        return 10 + (HEIGHT - 20) * (high - value) / (high - low)

    def path(values: np.ndarray) -> str:
        return " ".join(f"{across(t):.1f},{y:.1f}" for t, y in zip(x, down(values), strict=True))

    looks = [(INK, "1.5", "5 4"), (BLUE, "2.2", "none")] + [(GRAY, "0.7", "none")] * n_steps
    lines = "".join(
        f'<polyline points="{path(values)}" stroke="{color}" stroke-width="{wide}" '
        f'stroke-dasharray="{dash}"/>'
        for values, (color, wide, dash) in zip(curves, looks, strict=True)
    )
    ticks = [(across(t), HEIGHT + 16, "middle", f"{t:g}") for t in (0, 0.2, 0.4, 0.6, 0.8, 1)]
    ticks += [
        (0, down(v) + 4, "end", f"{v:g}".replace("-", "\u2212"))
        for v in np.arange(np.ceil(2 * low), 2 * high + 1e-9) / 2
    ]
    labels = "".join(
        f'<text x="{px:.1f}" y="{py:.1f}" text-anchor="{anchor}" fill="currentColor">{text}</text>'
        for px, py, anchor, text in ticks
    )
    return (
        f'<svg viewBox="-40 0 {WIDTH + 40} {HEIGHT + 22}" width="100%" '
        f'style="max-width:{WIDTH}px" role="img" font-size="12" '
        f'aria-label="{target.name} and its sum of {n_steps} steps" fill="none">{lines}{labels}'
        "</svg>"
    )
