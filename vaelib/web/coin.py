"""The two views of chapter 1: belief in a coin toss by toss, and how long a strong prior lasts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from vaelib.web import View, picture

# Each drawing is an SVG of this size; the theme of the notebook sets the ink.
WIDTH, HEIGHT, FLOOR = 640, 240, 200
BLUE, ORANGE, GRAY = "#0072b2", "#d55e00", "#767676"


def coin_stepper(
    tosses: np.ndarray, steps: Sequence[int], *, strengths: Sequence[int], start: int, share: float
) -> View:
    """The belief after 0, 1, 2, ... tosses, as an animation, for a choice of priors Beta(a, a).

    tosses     (N,) 0 or 1, in the order in which they fell
    steps      the numbers of tosses to stop at, ascending, at most N
    strengths  the a to choose from; the view starts with a = `start`
    share      where to draw the line that the belief should reach

    Raises ValueError for a toss other than 0 and 1, or a step beyond the last toss.
    """
    tosses = np.asarray(tosses)
    if not np.isin(tosses, (0, 1)).all():
        raise ValueError("tosses are 1 for heads and 0 for tails, nothing else")
    if max(steps) > len(tosses):
        raise ValueError(f"step {max(steps)} lies beyond the last of {len(tosses)} tosses")
    heads = np.concatenate([[0], np.cumsum(tosses)]).astype(np.int32)

    def live():
        import ipywidgets as w

        play = w.Play(min=0, max=len(steps) - 1, interval=700)
        step = w.SelectionSlider(options=_named(steps), description="tosses")
        w.jslink((play, "value"), (step, "index"))
        prior = w.SelectionSlider(options=_named(strengths), value=start, description="prior a")

        def show(a: int, n: int) -> str:
            return density_svg(a, n, int(heads[n]), share) + _line(
                sequence_text(a, n, heads, share)
            )

        return w.VBox([picture(show, prior, step), w.HBox([play, step]), prior])

    data = {
        "kind": "sequence",
        "steps": np.asarray(steps, np.int32),
        "heads": heads,
        "strengths": np.asarray(strengths, np.int32),
        "start": int(start),
        "share": float(share),
    }
    label = "Stepper: the belief about a coin, toss by toss"
    return View("coin-stepper", "coin", data, label=label, live=live)


def coin_explorer(
    strengths: Sequence[int],
    counts: Sequence[int],
    *,
    start: tuple[int, int],
    share: float,
    radius: float,
) -> View:
    """How much belief lies within `radius` of `share`, for any prior Beta(a, a) and N tosses.

    strengths  the a to choose from
    counts     the N to choose from; share * N must be whole, so that the heads are
    start      (a, N) of the first picture

    Raises ValueError for an N of which `share` is no whole number of heads.
    """
    for n in counts:
        if abs(share * n - round(share * n)) > 1e-9:
            raise ValueError(f"{share} of {n} tosses is no whole number of heads")

    def live():
        import ipywidgets as w

        prior = w.SelectionSlider(options=_named(strengths), value=start[0], description="prior a")
        tossed = w.SelectionSlider(options=_named(counts), value=start[1], description="tosses")

        def show(a: int, n: int) -> str:
            return density_svg(a, n, round(share * n), share, left=0.4) + _line(
                claim_text(a, n, share, radius)
            )

        return w.VBox([picture(show, prior, tossed), prior, tossed])

    data = {
        "kind": "claim",
        "strengths": np.asarray(strengths, np.int32),
        "counts": np.asarray(counts, np.int32),
        "start": [int(start[0]), int(start[1])],
        "share": float(share),
        "radius": float(radius),
    }
    label = "Explorer: prior strength and number of tosses against the belief near the share"
    return View("coin-explorer", "coin", data, label=label, live=live)


def sequence_text(prior: int, n: int, heads: np.ndarray, share: float) -> str:
    """The sentence under the stepper; heads (N + 1,) counts the heads of the first n tosses."""
    a, b = prior + int(heads[n]), prior + n - int(heads[n])
    low, high = stats.beta.interval(0.95, a, b)
    when = f"After {_tosses(n)}, {heads[n]:,} heads" if n else "Before the first toss"
    inside = "inside" if low < share < high else "outside"
    return (
        f"{when}: Beta({a}, {b}), mean {a / (a + b):.4f}, 95 % interval "
        f"{low:.4f} to {high:.4f}; {share} is {inside}."
    )


def claim_text(prior: int, n: int, share: float, radius: float) -> str:
    """The sentence under the explorer."""
    heads = round(share * n)
    posterior = stats.beta(prior + heads, prior + n - heads)
    mass = posterior.cdf(share + radius) - posterior.cdf(share - radius)
    return (
        f"Beta({prior}, {prior}) and {_tosses(n)}, {heads:,} heads: mean {posterior.mean():.4f}; "
        f"{percent(mass)} of the belief lies within {radius} of {share}."
    )


def percent(p: float) -> str:
    """Percent to one decimal, without claiming 0 or 100 where there is something left."""
    if p < 0.001:
        return "less than 0.1 %"
    return "more than 99.9 %" if p > 0.999 else f"{100 * p:.1f} %"


def density_svg(prior: int, n: int, heads: int, share: float, left: float = 0.0) -> str:
    """Prior (dashed), posterior (filled) and its 95 % interval over [left, 1], as an SVG."""
    posterior = stats.beta(prior + heads, prior + n - heads)
    theta = np.linspace(left, 1, 601)[:-1] + (1 - left) / 1200
    before, after = stats.beta.pdf(theta, prior, prior), posterior.pdf(theta)
    top = 1.1 * max(before.max(), after.max())

    def x(t: float) -> float:
        return 20 + (WIDTH - 40) * (t - left) / (1 - left)

    def path(density: np.ndarray) -> str:
        heights = FLOOR - (FLOOR - 10) * density / top
        return " ".join(f"{x(t):.1f},{y:.1f}" for t, y in zip(theta, heights, strict=True))

    low, high = posterior.interval(0.95)
    ticks = "".join(
        f'<text x="{x(t):.1f}" y="{FLOOR + 18}" text-anchor="middle">{t:.1f}</text>'
        for t in np.arange(np.ceil(10 * left), 11) / 10
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" style="max-width:{WIDTH}px" role="img" '
        'aria-label="Density of the belief about theta" font-size="13" fill="none" '
        'stroke-width="2">'
        f'<polygon points="20,{FLOOR} {path(after)} {WIDTH - 20},{FLOOR}" fill="{BLUE}" '
        f'fill-opacity="0.18" stroke="{BLUE}"/>'
        f'<polyline points="{path(before)}" stroke="{GRAY}" stroke-dasharray="6 4"/>'
        f'<path d="M{x(share):.1f} 10V{FLOOR}" stroke="{ORANGE}" stroke-dasharray="2 3"/>'
        f'<path d="M20 {FLOOR}H{WIDTH - 20}" stroke="{GRAY}" stroke-width="1"/>'
        f'<path d="M{x(low):.1f} {FLOOR - 8}H{x(high):.1f}" stroke="{BLUE}" stroke-width="4"/>'
        f'<circle cx="{x(posterior.mean()):.1f}" cy="{FLOOR - 8}" r="5" fill="{BLUE}"/>'
        f'<g fill="currentColor">{ticks}<text x="{WIDTH / 2}" y="{HEIGHT - 4}" '
        'text-anchor="middle">θ, the chance of heads</text></g></svg>'
    )


def _tosses(n: int) -> str:
    return f"{n:,} {'toss' if n == 1 else 'tosses'}"


def _named(values: Sequence[int]) -> list[tuple[str, int]]:
    return [(f"{value:,}", int(value)) for value in values]


def _line(text: str) -> str:
    return f'<div style="font-variant-numeric:tabular-nums">{text}</div>'
