"""The view of chapter 6: three noisy compasses race up one hill, with the same noise for all."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from vaelib.web import View, picture

START = (-2.0, 0.0)  # mu and log sigma^2
COUNTS = (1, 2, 5, 10, 20)  # samples of a step
CLIMBERS = ("score function", "with baseline", "pathwise")
INKS = ("#d55e00", "#009e73", "#0072b2")  # as orange, green and blue in search.js
DASHES = ("2 3", "7 4", "")
GONE = 1e3  # nobody comes back from there
N_ESTIMATES = 300  # in the histograms
N_NODES = 60
MU, STD = (-4.5, 4.5), (0.1, 3.5)  # what the map shows


class Hill(NamedTuple):
    """f(z) and its derivative, (...) -> (...); search.js has the same in the same order."""

    name: str
    f: Callable
    slope: Callable


HILLS = (
    Hill("a round hill", lambda z: -((z - 2) ** 2) / 2, lambda z: 2 - z),
    Hill(
        "two hills",
        lambda z: np.logaddexp(-((z + 2.5) ** 2) / 2, -((z - 2.5) ** 2) / 2),
        lambda z: -z + 2.5 * np.tanh(2.5 * z),
    ),
    Hill(
        "a wavy hill",
        lambda z: -(z**2) / 8 + 1.5 * np.cos(4 * z),
        lambda z: -z / 4 - 6 * np.sin(4 * z),
    ),
    Hill("a hill with steep sides, −z⁴", lambda z: -(z**4), lambda z: -4 * z**3),
)
RULES = {
    "1/(t + 10)": lambda t: 1 / (t + 10),
    "1/t": lambda t: 1 / t,
    "constant, 0.05": lambda t: 0.05,
    "1/(4t²)": lambda t: 1 / (4 * t**2),
}


def search_race(rng: np.random.Generator, *, n_steps: int = 120) -> View:
    """Stochastic ascent on E_q[f] + entropy for q = N(mu, sigma^2), three estimators at once.

    rng      draws the noise that both faces of the view use
    n_steps  how far the climbers go
    """
    noise = rng.standard_normal((n_steps, max(COUNTS))).astype(np.float32)
    probes = rng.standard_normal((N_ESTIMATES, max(COUNTS))).astype(np.float32)
    steps = {name: [rule(t) for t in range(1, n_steps + 1)] for name, rule in RULES.items()}
    nodes, weights = nodes_and_weights()
    maps = [elbo_map(hill) for hill in HILLS]

    def live():
        import ipywidgets as w

        hill = w.Dropdown(options=[(h.name, i) for i, h in enumerate(HILLS)], description="Hill")
        rule = w.Dropdown(options=list(RULES), description="Steps")
        count = w.SelectionSlider(options=COUNTS, value=5, description="L")
        play = w.Play(min=0, max=n_steps, interval=150)
        step = w.IntSlider(min=0, max=n_steps, description="step")
        w.jslink((play, "value"), (step, "value"))

        def show(i: int, rule: str, n: int, t: int) -> str:
            ways = race(HILLS[i], steps[rule], noise[:, :n].astype(float))
            words = sentence(HILLS[i], ways, steps[rule], t)
            return f"{svg(HILLS[i], maps[i], ways, probes[:, :n], t)}<div>{words}</div>"

        made = picture(show, hill, rule, count, step)
        return w.VBox([w.HBox([hill, rule]), count, made, w.HBox([play, step])])

    data = {
        "hills": [hill.name for hill in HILLS],
        "rules": [{"name": name, "sizes": sizes} for name, sizes in steps.items()],
        "climbers": list(CLIMBERS),
        "counts": list(COUNTS),
        "start": list(START),
        "noise": noise,
        "probes": probes,
        "nodes": nodes.tolist(),
        "weights": weights.tolist(),
        "maps": np.array(maps, np.float32),
        "ranges": [list(MU), list(STD)],
    }
    label = "Race: three gradient estimators climb the same hill with the same noise"
    return View("search-race", "search", data, label=label, live=live)


@cache
def nodes_and_weights() -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Hermite: E[h(eps)] = weights @ h(nodes) for standard normal eps."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(N_NODES)
    return nodes, weights / weights.sum()


def elbo(hill: Hill, mu: float, logvar: float) -> float:
    """E_q[f] + the entropy of q, in nats."""
    nodes, weights = nodes_and_weights()
    entropy = 0.5 * (logvar + math.log(2 * math.pi * math.e))
    return float(weights @ hill.f(mu + math.exp(logvar / 2) * nodes)) + entropy


def exact_slope(hill: Hill, mu: float, logvar: float) -> float:
    """The derivative of the ELBO by mu."""
    nodes, weights = nodes_and_weights()
    return float(weights @ hill.slope(mu + math.exp(logvar / 2) * nodes))


def estimates(
    hill: Hill, climber: int, mu: float, logvar: float, eps: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Estimated derivatives of the ELBO by mu and logvar: eps (..., L) -> (...) each."""
    std = math.exp(logvar / 2)
    z = mu + std * eps
    if climber == 2:
        slope = hill.slope(z)
        return slope.mean(-1), 0.5 + (0.5 * std * eps * slope).mean(-1)
    f = hill.f(z) - (hill.f(mu) if climber == 1 else 0.0)  # a baseline that no draw has touched
    return (f * eps).mean(-1) / std, 0.5 + (0.5 * f * (eps**2 - 1)).mean(-1)


def race(hill: Hill, sizes: list[float], noise: np.ndarray) -> np.ndarray:
    """Where each climber is after every step: noise (T, L) -> (3, T + 1, 2); NaN: gone."""
    ways = np.full((len(CLIMBERS), len(noise) + 1, 2), np.nan)
    for climber, way in enumerate(ways):
        at = np.array(START)
        way[0] = at
        for t, eps in enumerate(noise):
            with np.errstate(over="ignore", invalid="ignore"):
                at = at + sizes[t] * np.array(estimates(hill, climber, *at, eps))
            if not (abs(at[0]) < GONE and abs(at[1]) < 20):  # NaN is neither
                break
            way[t + 1] = at
    return ways


def sentence(hill: Hill, ways: np.ndarray, sizes: list[float], step: int) -> str:
    """What the picture shows after `step` steps."""
    last = len(sizes)
    when = f"Step {step} of {last}, {_number(sizes[step - 1], 4)} long" if step else "At the start"
    scores = [
        f"{name} {_number(elbo(hill, *way[step]), 2) if np.isfinite(way[step]).all() else 'gone'}"
        for name, way in zip(CLIMBERS, ways, strict=True)
    ]
    return f"{when}. ELBO: {', '.join(scores)}."


def elbo_map(hill: Hill, shape: tuple[int, int] = (35, 60)) -> np.ndarray:
    """Nats below the highest point of the map: rows of sigma, columns of mu."""
    (rows, columns), (low, high), (thin, wide) = shape, MU, STD
    mus = low + (np.arange(columns) + 0.5) / columns * (high - low)
    stds = thin + (np.arange(rows) + 0.5) / rows * (wide - thin)
    heights = np.array([[elbo(hill, mu, 2 * math.log(std)) for mu in mus] for std in stds])
    return heights.max() - heights


def reach(hill: Hill, n: int, probes: np.ndarray) -> float:
    """Half the width of the histograms: three sd of the score function's estimates at the start."""
    found, _ = estimates(hill, 0, *START, probes.astype(float)[:, :n])
    return 3 * float(found.std())


def svg(hill: Hill, below: np.ndarray, ways: np.ndarray, probes: np.ndarray, step: int) -> str:
    """The map with the three ways on it, and three histograms of errors, as an SVG."""
    left, width, height, (rows, columns) = 330, 640, 300, below.shape

    def place(at):
        mu, std = at[:, 0], np.exp(np.clip(at[:, 1], -20, 20) / 2)
        x = np.clip((mu - MU[0]) / (MU[1] - MU[0]), -0.1, 1.1) * left
        y = height - np.clip((std - STD[0]) / (STD[1] - STD[0]), -0.1, 1.1) * height
        return np.stack([x, y], 1)

    cell = left / columns, height / rows
    parts = [
        f'<rect x="{j * cell[0]:.1f}" y="{height - (i + 1) * cell[1]:.1f}" width="{cell[0]:.1f}" '
        f'height="{cell[1]:.1f}" fill="#767676" opacity="{0.6 * math.exp(-gap):.2f}"/>'
        for i, row in enumerate(below)
        for j, gap in enumerate(row)
        if gap < 4
    ]
    half = reach(hill, probes.shape[1], probes)
    for k, way in enumerate(ways):
        seen = way[: step + 1][np.isfinite(way[: step + 1]).all(1)]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in place(seen))
        x, y = place(seen[-1:])[0]
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{INKS[k]}" stroke-width="2" '
            f'stroke-dasharray="{DASHES[k]}"/><circle cx="{x:.1f}" cy="{y:.1f}" r="5" '
            f'fill="{INKS[k]}"/>'
        )
        base = 92 + 100 * k
        parts.append(f'<text x="{left + 30}" y="{base - 68}" fill="{INKS[k]}">{CLIMBERS[k]}</text>')
        if not np.isfinite(way[step]).all():
            continue
        counts = histogram(hill, k, *way[step], probes, half)
        parts += [
            f'<rect x="{left + 30 + 9 * b}" y="{base - 60 * c / counts.max():.1f}" width="8" '
            f'height="{60 * c / counts.max():.1f}" fill="{INKS[k]}"/>'
            for b, c in enumerate(counts)
        ]
    return (
        f'<svg viewBox="-44 -6 {width + 70} {height + 48}" width="100%" '
        f'style="max-width:{width}px" role="img" '
        f'aria-label="Three ways after step {step}, and the errors of their compasses" '
        f'font-size="12">{"".join(parts)}{_axes(left, height, half)}</svg>'
    )


def _axes(left: int, height: int, half: float) -> str:
    """Ticks and names for the map, (left, height) in size, and for the histograms beside it."""
    middle, end = left + 30 + 9 * 15.5, left + 30 + 9 * 31
    below = [(left * (mu - MU[0]) / (MU[1] - MU[0]), f"{mu}") for mu in range(-4, 5, 2)]
    below += [(left + 30, f"{-half:.3g}"), (middle, "0"), (end, f"{half:.3g}")]
    beside = [(height * (1 - (std - STD[0]) / (STD[1] - STD[0])), std) for std in (1, 2, 3)]
    texts = [
        *((x, height + 18, "middle", text.replace("-", "\u2212")) for x, text in below),
        *((-8, y + 4, "end", std) for y, std in beside),
        (left / 2, height + 36, "middle", "mean \u03bc"),
        (-8, 8, "end", "sd \u03c3"),
        (middle, height + 36, "middle", "error of an estimate of \u2202ELBO/\u2202\u03bc"),
    ]
    lines = f"M0 0V{height}H{left}M{middle:.1f} 20V{height}"
    return f'<path d="{lines}" fill="none" stroke="#767676"/>' + "".join(
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor">{text}</text>'
        for x, y, anchor, text in texts
    )


def histogram(
    hill: Hill, climber: int, mu: float, logvar: float, probes: np.ndarray, half: float
) -> np.ndarray:
    """Errors of estimates of the derivative by mu in 31 bins over [-half, half]; ends collect."""
    found, _ = estimates(hill, climber, mu, logvar, probes.astype(float))
    off = (found - exact_slope(hill, mu, logvar)) / half
    bins = np.clip(np.floor((off + 1) / 2 * 31), 0, 30).astype(int)
    return np.bincount(bins, minlength=31)


def _number(value: float, digits: int) -> str:
    return f"{value:z,.{digits}f}".replace("-", "\u2212")
