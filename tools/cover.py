"""Draw the picture of the README: book/_static/cover.png, from mathematics only.

    python tools/cover.py

Points drawn from five Gaussians. On the left, the centers of a slow but lucky run of CAVI on
their way to them; on the right, the ELBOs of all runs, none above the evidence.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb

from vaelib import evidence, figures, mixture

TARGET = Path(__file__).resolve().parent.parent / "book" / "_static" / "cover.png"
TRUE = np.array([[-5.5, 2.2], [-1.6, -2.9], [0.4, 3.1], [3.2, -0.6], [6.6, 2.6]])
HUES = [figures.BLUE, figures.ORANGE, figures.GREEN, figures.PINK, figures.AMBER]
SIGMA2, N_RESTARTS, LAST = 20.0, 40, 25
EXTENT = (-9.3, 10.3, -6.9, 6.9)


def main() -> None:
    rng = np.random.default_rng(2025)
    x = np.concatenate([center + rng.standard_normal((90, 2)) for center in TRUE])
    runs = mixture.restarts(x, len(TRUE), N_RESTARTS, rng=rng, sigma2=SIGMA2)
    best = max(runs, key=lambda run: run.elbo)
    log_p = evidence.log_evidence_importance(x, best.posterior, sigma2=SIGMA2, rng=rng).log_p.value

    figures.use_style()
    figure, (plane, curves) = plt.subplots(1, 2, figsize=(8.6, 3.4), width_ratios=[1.45, 1])
    visible = [run for run in runs if is_best(run, best) and is_inside(run.path)]
    slow = max(visible, key=lambda run: len(run.elbos))
    draw_plane(plane, x, slow)
    draw_curves(curves, runs, log_p)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(TARGET, dpi=150, pil_kwargs={"optimize": True}, metadata={"Software": None})


def is_best(run: mixture.Fit, best: mixture.Fit) -> bool:
    return run.elbo > best.elbo - 0.05


def is_inside(path: np.ndarray) -> bool:
    left, right, bottom, top = EXTENT
    return bool(((path > (left, bottom)) & (path < (right, top))).all())


def draw_plane(ax: plt.Axes, x: np.ndarray, run: mixture.Fit) -> None:
    """Which center owns which part of the plane, the points, and how the centers got there."""
    hues = np.array([to_rgb(hue) for hue in HUES])
    left, right, bottom, top = EXTENT
    horizontal, vertical = np.linspace(left, right, 500), np.linspace(bottom, top, 340)
    grid = np.stack(np.meshgrid(horizontal, vertical), axis=-1)
    resp = mixture.responsibilities(grid.reshape(-1, 2), run.posterior)
    tint = 1 - 0.16 * (1 - resp @ hues).reshape(*grid.shape[:2], 3)
    ax.imshow(tint, extent=EXTENT, origin="lower", aspect="auto", interpolation="bilinear")
    owner = mixture.responsibilities(x, run.posterior) @ hues
    ax.scatter(*x.T, c=owner, s=5, lw=0, alpha=0.75)
    for k, hue in enumerate(HUES):
        way = run.path[:, k]
        ax.plot(*way.T, color="#222222", lw=1.3, alpha=0.85)
        ax.scatter(*way[0], s=16, color="white", edgecolor="#222222", lw=1, zorder=3)
        ax.scatter(*way[-1], s=95, color=hue, edgecolor="white", lw=1.8, zorder=4)
    ax.set(xlim=EXTENT[:2], ylim=EXTENT[2:], xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def draw_curves(ax: plt.Axes, runs: list[mixture.Fit], log_p: float) -> None:
    """Sweeps against the distance to log p(x): nothing crosses the line."""
    *others, best = sorted(runs, key=lambda run: run.elbo)
    for run in [*others, best]:
        wins = is_best(run, best)
        ax.plot(
            np.arange(1, len(run.elbos)), run.elbos[1:], lw=1.3,
            color=figures.BLUE if wins else figures.GRAY, alpha=0.75,
        )  # fmt: skip
    reach = log_p - min(run.elbo for run in runs)  # down to the worst optimum, and beyond
    bottom, ceiling = log_p - 1.9 * reach, log_p + 0.28 * reach
    ax.axhspan(log_p, ceiling, color=figures.ORANGE, alpha=0.14, lw=0)
    ax.axhline(log_p, color=figures.ORANGE, lw=2)
    ax.text(
        0.98 * LAST, log_p + 0.14 * reach, r"no bound above $\log p(\mathbf{x})$",
        ha="right", va="center", fontsize=9.5, color="#8f3f00",
    )  # fmt: skip
    ax.set(xlim=(1, LAST), ylim=(bottom, ceiling), yticks=[], xlabel="sweep", ylabel="ELBO")
    ax.grid(visible=False)


if __name__ == "__main__":
    main()
