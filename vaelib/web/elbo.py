"""The view of chapter 4: move q, watch ELBO + KL = log p(x), descend either divergence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.special import softmax

from vaelib.web import View, picture

WIDTH, HEIGHT, FLOOR = 640, 300, 190
BLUE, GRAY = "#0072b2", "#767676"
# The grid, the limits and the steps of elbo.js.
STEP = 0.04
GRID = STEP * np.arange(-800, 801)
MEANS, STDS = (-5.0, 5.0), (0.2, 4.0)
RATE, LONGEST, ENOUGH, MAX_STEPS = 0.1, 0.05, 1e-4, 400
LOG_2PI = float(np.log(2 * np.pi))
DIRECTIONS = ("reverse", "forward")


@dataclass(frozen=True)
class Target:
    """A model on the line: z from a mixture of normals, x given z from N(z, sigma_x^2)."""

    name: str
    weights: tuple[float, ...]
    means: tuple[float, ...]
    stds: tuple[float, ...]
    x: float
    sigma_x: float = 1.0


def posterior(target: Target) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Weights, means and stds (K,) of p(z given x), a mixture again, and log p(x) in nats."""
    w, m, s = (np.array(part, float) for part in (target.weights, target.means, target.stds))
    total = s**2 + target.sigma_x**2
    log_parts = np.log(w) + _log_normal(target.x, m, np.sqrt(total))
    means = (m * target.sigma_x**2 + target.x * s**2) / total
    log_px = float(np.logaddexp.reduce(log_parts))
    return softmax(log_parts), means, s * target.sigma_x / np.sqrt(total), log_px


def measure(target: Target, mean: float, std: float) -> tuple[float, float, float]:
    """ELBO, KL(q to posterior) and KL(posterior to q) of q = N(mean, std^2), by quadrature, nats.

    The ELBO is computed from prior and likelihood, the divergences from the posterior.
    """
    log_q = _log_normal(GRID, mean, std)
    log_joint = _log_mixture(target.weights, target.means, target.stds)
    log_joint = log_joint + _log_normal(target.x, GRID, target.sigma_x)
    log_p = _log_mixture(*posterior(target)[:3])
    q, p = STEP * np.exp(log_q), STEP * np.exp(log_p)
    return float(q @ (log_joint - log_q)), float(q @ (log_q - log_p)), float(p @ (log_p - log_q))


def descend(target: Target, mean: float, std: float, direction: str) -> list[tuple[float, float]]:
    """The way of q = N(mean, std^2) down one divergence, start and end included.

    direction  "reverse" for KL(q to posterior), "forward" for KL(posterior to q)

    Raises ValueError for another direction.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"direction {direction!r} is none of {', '.join(DIRECTIONS)}")
    weights, means, stds, _ = posterior(target)
    log_parts = np.log(weights)[:, None] + _log_normal(GRID, means[:, None], stds[:, None])
    pulls = (means[:, None] - GRID) / stds[:, None] ** 2
    score = (softmax(log_parts, axis=0) * pulls).sum(0)  # the slope of log p
    center = weights @ means
    way = [(float(mean), float(std))]
    for _ in range(MAX_STEPS):
        m, s = way[-1]
        if direction == "reverse":
            q = STEP * np.exp(_log_normal(GRID, m, s))
            down = q @ score, 1 + q @ ((GRID - m) * score)
        else:
            down = (center - m) / s**2, weights @ (stds**2 + (means - m) ** 2) / s**2 - 1
        step, turn = np.clip(RATE * np.array(down), -LONGEST, LONGEST)
        way.append((float(m + step), float(s * np.exp(turn))))
        if max(abs(way[-1][0] - m), abs(way[-1][1] - s)) < ENOUGH:
            break
    return way


def sentence(target: Target, mean: float, std: float) -> str:
    """What the picture shows."""
    elbo, reverse, forward = measure(target, mean, std)
    return (
        f"q = N({_number(mean, 2)}, {_number(std, 2)}\u00b2): ELBO {_number(elbo)} + KL(q\u2016p) "
        f"{_number(reverse)} = log p(x) = {_number(posterior(target)[3])} nats. "
        f"The other way, KL(p\u2016q) is {_number(forward)}."
    )


def elbo_explorer(targets: Sequence[Target], *, start: tuple[float, float] = (0.6, 1.2)) -> View:
    """Move a normal q over a posterior, and let it descend either divergence.

    targets  the models to choose from
    start    mean and std of the first q, within MEANS and STDS

    Raises ValueError for weights that do not sum to 1, or a start outside the limits.
    """
    for target in targets:
        if not np.isclose(sum(target.weights), 1):
            raise ValueError(f"{target.name!r}: the weights sum to {sum(target.weights):g}, not 1")
    for value, (low, high) in zip(start, (MEANS, STDS), strict=True):
        if not low <= value <= high:
            raise ValueError(f"start {value:g} lies outside {low:g} to {high:g}")

    def live():
        import ipywidgets as w

        choice = w.Dropdown(options=[(t.name, t) for t in targets], description="Model")
        mean = w.FloatSlider(min=MEANS[0], max=MEANS[1], step=0.01, description="mean")
        std = w.FloatSlider(min=STDS[0], max=STDS[1], step=0.01, description="sd")
        mean.value, std.value = start
        buttons = [w.Button(description=f"descend {d}") for d in DIRECTIONS]
        for button, direction in zip(buttons, DIRECTIONS, strict=True):

            def run(_, direction=direction) -> None:
                way = descend(choice.value, mean.value, std.value, direction)
                mean.value, std.value = way[-1]

            button.on_click(run)

        def show(target: Target, m: float, s: float) -> str:
            return f"{density_svg(target, m, s)}<div>{sentence(target, m, s)}</div>"

        return w.VBox([choice, picture(show, choice, mean, std), mean, std, w.HBox(buttons)])

    data = {"targets": [asdict(target) for target in targets], "start": list(start)}
    label = "Explorer: a normal q over a posterior, with ELBO and both KL divergences"
    return View("elbo-explorer", "elbo", data, label=label, live=live)


def density_svg(target: Target, mean: float, std: float) -> str:
    """Posterior (filled), q (line) and the bar ELBO + KL = log p(x), as an SVG."""
    at = np.linspace(-6, 6, 481)
    log_parts = zip(*posterior(target)[:3], strict=True)
    p = sum(w * np.exp(_log_normal(at, m, s)) for w, m, s in log_parts)
    q = np.exp(_log_normal(at, mean, std))
    top = 1.05 * max(p.max(), q.max())

    def path(density: np.ndarray) -> str:
        x, y = 20 + (WIDTH - 40) * (at + 6) / 12, FLOOR - (FLOOR - 10) * density / top
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))

    elbo, _, _ = measure(target, mean, std)
    log_px = posterior(target)[3]
    share = max(0.0, 1 - (log_px - elbo) / 10)  # the bar begins ten nats below log p(x)
    full = WIDTH - 140
    ticks = "".join(
        f'<text x="{20 + (WIDTH - 40) * (t + 6) / 12:.0f}" y="{FLOOR + 18}" '
        f'text-anchor="middle">{str(t).replace("-", chr(0x2212))}</text>'
        for t in range(-6, 7, 2)
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" style="max-width:{WIDTH}px" role="img" '
        'aria-label="Posterior, q, and the bar of ELBO and KL" font-size="13" fill="none">'
        f'<polygon points="20,{FLOOR} {path(p)} {WIDTH - 20},{FLOOR}" fill="{GRAY}" '
        'fill-opacity="0.4"/>'
        f'<polyline points="{path(q)}" stroke="{BLUE}" stroke-width="2"/>'
        f'<path d="M20 {FLOOR}H{WIDTH - 20}" stroke="{GRAY}"/>'
        f'<rect x="20" y="240" width="{full * share:.1f}" height="24" fill="{BLUE}"/>'
        f'<rect x="20" y="240" width="{full}" height="24" stroke="currentColor"/>'
        f'<g fill="currentColor">{ticks}<text x="20" y="232">ELBO (filled) + KL (open) = '
        f"log p(x)</text></g></svg>"
    )


def _log_normal(z, mean, std):
    return -0.5 * ((z - mean) / std) ** 2 - np.log(std) - 0.5 * LOG_2PI


def _log_mixture(weights, means, stds) -> np.ndarray:
    parts = zip(weights, means, stds, strict=True)
    return np.logaddexp.reduce([np.log(w) + _log_normal(GRID, m, s) for w, m, s in parts])


def _number(value: float, digits: int = 3) -> str:
    return f"{value:z,.{digits}f}".replace("-", "\u2212")
