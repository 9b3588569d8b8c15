"""The view of chapter 8: samples that move with mu, and two estimators of one derivative."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from vaelib.web import View, picture

N_PATHS = 9  # dots with an arrow
N_ESTIMATES = 400  # in the histograms
BINS = 31
Z = (-5.0, 5.0)  # what the left picture shows
MUS = [round(x, 2) for x in np.arange(-2, 2.01, 0.25).tolist()]
SDS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.25, 1.5]
WAVES = 3.0  # k of sin(kz)
NAMES = ("score function", "pathwise")
INKS = ("#d55e00", "#0072b2")  # as orange and blue in reparam.js


def _phi(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def normal_cdf(x: float) -> float:
    """The normal distribution function."""
    return 0.5 * math.erfc(-x / math.sqrt(2))


def _square(mu: float, sd: float) -> tuple[float, float, float]:
    return 2 * mu, mu**4 / sd**2 + 14 * mu**2 + 15 * sd**2, 4 * sd**2


def _sine(mu: float, sd: float) -> tuple[float, float, float]:
    k, width = WAVES, WAVES * sd
    exact = k * math.cos(k * mu) * math.exp(-(width**2) / 2)
    wave = math.cos(2 * k * mu) * math.exp(-2 * width**2)
    score = (1 - (1 - 4 * width**2) * wave) / (2 * sd**2) - exact**2
    return exact, score, k**2 * (1 + wave) / 2 - exact**2


def _exponential(mu: float, sd: float) -> tuple[float, float, float]:
    s2, exact = sd**2, math.exp(mu + sd**2 / 2)
    score = math.exp(2 * mu + 2 * s2) * (1 + 4 * s2) / s2 - exact**2
    return exact, score, math.exp(2 * mu + 2 * s2) - exact**2


def _step(mu: float, sd: float) -> tuple[float, float, float]:
    a = mu / sd
    exact = _phi(a) / sd
    return exact, (normal_cdf(a) - a * _phi(a)) / sd**2 - exact**2, 0.0


class Integrand(NamedTuple):
    """f(z), its derivative, and (exact derivative of E f by mu, variances of both estimates)."""

    name: str
    f: Callable
    slope: Callable
    exact: Callable[[float, float], tuple[float, float, float]]
    range: tuple[float, float]  # of f in the left picture


# reparam.js has the same in the same order.
INTEGRANDS = (
    Integrand("z²", lambda z: z**2, lambda z: 2 * z, _square, (-1.5, 9)),
    Integrand(
        "sin 3z",
        lambda z: np.sin(WAVES * z),
        lambda z: WAVES * np.cos(WAVES * z),
        _sine,
        (-2.0, 1.6),
    ),
    Integrand("exp z", np.exp, np.exp, _exponential, (-1.5, 9)),
    Integrand(
        "a step at 0", lambda z: (z > 0) * 1.0, lambda z: np.zeros_like(z), _step, (-0.6, 1.4)
    ),
)


def reparam_paths(rng: np.random.Generator) -> View:
    """Noise carried onto the curve of f, and 400 estimates of the derivative by mu of each kind.

    rng  draws the noise that both faces of the view use
    """
    eps = rng.standard_normal(N_ESTIMATES).astype(np.float32)

    def live():
        import ipywidgets as w

        names = [(item.name, i) for i, item in enumerate(INTEGRANDS)]
        which = w.Dropdown(options=names, description="f(z)")
        mu = w.SelectionSlider(options=MUS, value=1.0, description="mean")
        sd = w.SelectionSlider(options=SDS, value=0.75, description="sd")

        def show(i: int, mu: float, sd: float) -> str:
            item = INTEGRANDS[i]
            return f"{svg(item, mu, sd, eps)}<div>{sentence(item, mu, sd)}</div>"

        return w.VBox([which, mu, sd, picture(show, which, mu, sd)])

    data = {
        "names": [item.name for item in INTEGRANDS],
        "ranges": [list(item.range) for item in INTEGRANDS],
        "estimators": list(NAMES),
        "mus": MUS,
        "sds": SDS,
        "z": list(Z),
        "paths": path_noise().tolist(),
        "eps": eps,
    }
    label = "Paths: noise becomes samples of q, and two estimators of a derivative"
    return View("reparam-paths", "reparam", data, label=label, live=live)


def path_noise() -> np.ndarray:
    """The noise of the dots: from -2 to 2, evenly spaced."""
    return np.linspace(-2, 2, N_PATHS)


def estimates(item: Integrand, mu: float, sd: float, eps: np.ndarray) -> np.ndarray:
    """Estimates of the derivative of E f by mu, one a sample: score function, pathwise; (2, S)."""
    z = mu + sd * eps.astype(float)
    return np.stack([item.f(z) * eps / sd, item.slope(z)])


def reach(found: np.ndarray, exact: float) -> float:
    """Half the width of the histograms: what holds 98 % of all estimates around the exact one."""
    return max(1e-6, float(np.quantile(np.abs(found - exact), 0.98)) * 1.15)


def histogram(row: np.ndarray, exact: float, half: float) -> np.ndarray:
    """Counts in BINS bins over [exact - half, exact + half]; the ends collect."""
    place = np.floor(((row - exact) / half + 1) / 2 * BINS)
    return np.bincount(np.clip(place, 0, BINS - 1).astype(int), minlength=BINS)


def sentence(item: Integrand, mu: float, sd: float) -> str:
    """Exact derivative and exact variances, and who has the smaller one."""
    exact, score, path = item.exact(mu, sd)
    said = (
        f"Exact derivative {_number(exact)}. Variance of one estimate: "
        f"{NAMES[0]} {_number(score)}, {NAMES[1]} {_number(path)}. "
    )
    if path == 0:
        return said + "Every path is flat: pathwise says 0, whatever the truth."
    if path < score:
        return said + f"Pathwise has {_number(score / path)} times less."
    return said + f"The score function has {_number(path / score)} times less."


def svg(item: Integrand, mu: float, sd: float, eps: np.ndarray) -> str:
    """Dots with arrows on the curve, and two histograms, as an SVG."""
    left, height, gap = 320, 260, 40
    low, high = item.range

    def place(z, y):
        x = left * (np.asarray(z) - Z[0]) / (Z[1] - Z[0])
        return x, height * (1 - (np.clip(y, low, high) - low) / (high - low))

    grid = np.linspace(*Z, 241)
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(*place(grid, item.f(grid)), strict=True))
    parts = [f'<polyline points="{points}" fill="none" stroke="#767676" stroke-width="1.5"/>']
    for e in path_noise():
        z = mu + sd * e
        f_z, slope = float(item.f(np.array(z))), float(item.slope(np.array(z)))
        (x0, y0), (x1, y1) = place(z, f_z), place(z + 0.5, f_z + 0.5 * slope)
        parts.append(
            f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{INKS[0]}" '
            f'stroke-width="2"/><circle cx="{x0:.1f}" cy="{y0:.1f}" r="4" fill="{INKS[1]}"/>'
        )
    exact = item.exact(mu, sd)[0]
    found = estimates(item, mu, sd, eps)
    half = reach(found, exact)
    for k, row in enumerate(found):
        counts, base = histogram(row, exact, half), 125 + 130 * k
        start = left + gap
        parts.append(f'<text x="{start}" y="{base - 92}" fill="{INKS[k]}">{NAMES[k]}</text>')
        parts += [
            f'<rect x="{start + 8 * b}" y="{base - 80 * c / counts.max():.1f}" width="7" '
            f'height="{80 * c / counts.max():.1f}" fill="{INKS[k]}"/>'
            for b, c in enumerate(counts)
        ]
    middle = left + gap + 4 * BINS
    texts = [
        (left / 2, height + 34, "z"),
        (middle, height + 34, "one estimate of the derivative by \u03bc"),
        *((left * (z - Z[0]) / (Z[1] - Z[0]), height + 16, _number(z)) for z in range(-4, 5, 2)),
        *((middle + 4 * BINS * t, height + 16, _number(exact + t * half)) for t in (-1, 0, 1)),
        (30, 12, f"f(z) = {item.name}"),
    ]
    words = "".join(
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" fill="currentColor">{text}</text>'
        for x, y, text in texts
    )
    return (
        f'<svg viewBox="-20 -6 {left + gap + 8 * BINS + 50} {height + 46}" width="100%" '
        f'style="max-width:660px" role="img" font-size="12" aria-label="Samples on the curve of '
        f'f with arrows, and histograms of two estimators">{"".join(parts)}'
        f'<path d="M0 {height}H{left}M{left + gap} {height}h{8 * BINS}M{middle} 20V{height}" '
        f'fill="none" stroke="#767676"/>{words}</svg>'
    )


def _number(value: float) -> str:
    """Three digits that count, never an exponent: 87.0 is 87, 0.01234 is 0.0123."""
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    nudged = value * (1 + 1e-12)  # JavaScript rounds halves up, Python to even
    text = f"{nudged:z,.{min(6, max(0, digits))}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace("-", "\u2212")
