"""The view of chapter 2: a sum of sigmoids that climbs along a function, and its largest error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from vaelib.sigmoids import CURVES, Curve, largest_error, proven_bound, staircase
from vaelib.web import View, picture

WIDTH, HEIGHT = 640, 300
BLUE, GRAY, INK = "#0072b2", "#767676", "currentColor"


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
    start        (key of CURVES, number of steps, sharpness) of the first picture

    Raises ValueError for a start that cannot be chosen.
    """
    choices = (tuple(CURVES), steps, sharpnesses)
    for value, known in zip(start, choices, strict=True):
        if value not in known:
            raise ValueError(f"the view starts with {value!r}, which is not in {list(known)}")

    def live():
        import ipywidgets as w

        named = [(target.name, key) for key, target in CURVES.items()]
        function = w.Dropdown(options=named, value=start[0], description="Function")
        count = w.SelectionSlider(options=list(steps), value=start[1], description="steps")
        sharp = w.SelectionSlider(
            options=list(sharpnesses), value=start[2], description="sharpness"
        )

        def show(key: str, n: int, s: int) -> str:
            error = largest_error(CURVES[key], n, s)
            text = sentence(n, error, proven_bound(CURVES[key], n, s))
            return f"{sum_svg(CURVES[key], n, s)}<div>{text}</div>"

        return w.VBox([function, picture(show, function, count, sharp), count, sharp])

    data = {
        "steps": np.asarray(steps, np.int32),
        "sharpnesses": np.asarray(sharpnesses, np.int32),
        "start": [start[0], int(start[1]), int(start[2])],
    }
    label = "Explorer: a function, its sum of sigmoids, and the error against the number of steps"
    return View("networks-explorer", "networks", data, label=label, live=live)


def sum_svg(target: Curve, n_steps: int, sharpness: float) -> str:
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
