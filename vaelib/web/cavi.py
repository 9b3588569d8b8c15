"""The view of chapter 5: CAVI sweep by sweep, the centers on their way and the ELBO rising."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from vaelib.web import View

# The same inks as in cavi.js, in shades that are told apart on light and dark alike.
INKS = ("#0072b2", "#d55e00", "#009e73", "#767676", "#b07aa1")
WIDTH, HEIGHT = 640, 330


def cavi_stepper(
    x: np.ndarray,
    runs: Sequence[Mapping],
    *,
    log_evidence: float,
    names: tuple[str, str] = ("x\u2081", "x\u2082"),
) -> View:
    """Play a run of CAVI in the plane; choose among several.

    x             (N, 2), the data
    runs          mappings with `name`, `path` (T + 1, K, 2), `elbos` (T + 1,) in nats and
                  `owners` (T + 1, N), the most responsible component of each point
    log_evidence  log p(x) in nats, above every ELBO
    names         the labels of the axes

    Raises ValueError for a run whose shapes do not fit or whose ELBO exceeds log_evidence.
    """
    x = np.asarray(x, np.float32)
    for run in runs:
        _check(run, len(x), log_evidence)
    n_components = np.shape(runs[0]["path"])[1]

    def live():
        import ipywidgets as w

        picture = w.HTML()
        choice = w.Dropdown(options=[(run["name"], i) for i, run in enumerate(runs)])
        choice.description = "Run"
        play = w.Play(min=0, max=len(runs[0]["elbos"]) - 1, interval=700)
        sweep = w.IntSlider(min=0, max=len(runs[0]["elbos"]) - 1, description="sweep")
        w.jslink((play, "value"), (sweep, "value"))

        def show(_=None) -> None:
            run, t = runs[choice.value], sweep.value
            text = sentence(t, len(run["elbos"]) - 1, run["elbos"][t], log_evidence)
            picture.value = f"{map_svg(x, run, t)}<div>{text}</div>"

        def switch(_=None) -> None:
            last = len(runs[choice.value]["elbos"]) - 1
            sweep.value = 0
            play.max = sweep.max = last
            show()

        choice.observe(switch, "value")
        sweep.observe(show, "value")
        show()
        return w.VBox([choice, picture, w.HBox([play, sweep])])

    data = {
        "points": x,
        "runs": [
            {
                "name": run["name"],
                "path": np.asarray(run["path"], np.float32),
                "elbos": np.asarray(run["elbos"], float).tolist(),
                "owners": np.asarray(run["owners"], np.uint8),
            }
            for run in runs
        ],
        "logEvidence": float(log_evidence),
        "naming": math.lgamma(n_components + 1),
        "names": list(names),
    }
    label = "Stepper: coordinate ascent on a Gaussian mixture, sweep by sweep"
    return View("cavi-stepper", "cavi", data, label=label, live=live)


def sentence(step: int, last: int, elbo: float, log_evidence: float) -> str:
    """What the picture shows after `step` of `last` sweeps."""
    when = f"Sweep {step} of {last}" if step else "Before the first sweep"
    return f"{when}: ELBO {_number(elbo)}, {_number(log_evidence - elbo)} nats below log p(x)."


def map_svg(x: np.ndarray, run: Mapping, step: int) -> str:
    """Data (N, 2) and centers after `step` sweeps as an SVG; one scale for both axes."""
    low, high = x.min(0), x.max(0)
    unit = 0.92 * min(WIDTH / (high[0] - low[0]), HEIGHT / (high[1] - low[1]))
    middle = np.array([WIDTH, HEIGHT]) / 2

    def place(points: np.ndarray) -> np.ndarray:
        return middle + unit * (np.asarray(points) - (low + high) / 2) * [1, -1]

    dots = "".join(
        f'<circle cx="{px:.1f}" cy="{py:.1f}" r="2" fill="{INKS[k % len(INKS)]}"/>'
        for (px, py), k in zip(place(x), run["owners"][step], strict=True)
    )
    centers = ""
    for k, way in enumerate(np.moveaxis(place(run["path"][: step + 1]), 1, 0)):
        (px, py), trail = way[-1], " ".join(f"{a:.1f},{b:.1f}" for a, b in way)
        centers += (
            f'<polyline points="{trail}" fill="none" stroke="currentColor"/>'
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="9" fill="white" stroke-width="3" '
            f'stroke="{INKS[k % len(INKS)]}"/>'
            f'<text x="{px:.1f}" y="{py + 4:.1f}" text-anchor="middle" fill="black">{k + 1}</text>'
        )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" style="max-width:{WIDTH}px" role="img" '
        f'aria-label="Data and centers after sweep {step}" font-size="12">{dots}{centers}</svg>'
    )


def _number(value: float) -> str:
    return f"{value:z,.2f}".replace("-", "\u2212")


def _check(run: Mapping, n_data: int, log_evidence: float) -> None:
    path, elbos, owners = (np.asarray(run[key]) for key in ("path", "elbos", "owners"))
    if path.ndim != 3 or path.shape[::2] != (len(elbos), 2) or owners.shape != (len(elbos), n_data):
        raise ValueError(
            f"run {run['name']!r}: path {path.shape}, elbos {elbos.shape} and owners "
            f"{owners.shape} do not fit together for {n_data} points in the plane"
        )
    if not (elbos < log_evidence).all():
        raise ValueError(f"run {run['name']!r}: its ELBO exceeds log p(x) = {log_evidence:g}")
