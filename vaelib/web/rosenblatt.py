"""The view of chapter 9: a normal plane bent into a banana, and two q's beside the posterior.

Everything about the banana has a closed form but one integral over z_1; rosenblatt.js computes
the same numbers from the same formulas.
"""

from __future__ import annotations

import math

import numpy as np

from vaelib.banana import BEND, SPREAD, decode, gap, log_posterior, spreads
from vaelib.web import View, picture

SIGMAS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2)
REACH = 2.5  # of both coordinates of z
DATA_X, DATA_Y = (-3.2, 3.2), (-2.4, 4.2)
ORANGE, BLUE, GRAY = "#d55e00", "#0072b2", "#767676"


def sentence(z1: float, z2: float, sigma: float) -> str:
    """What the picture shows."""
    x1, x2 = decode([z1, z2])
    full, diagonal, floor = gap(z1, z2, sigma)
    return (
        f"z = ({_number(z1, 1)}, {_number(z2, 1)}) goes to x = ({_number(x1, 3)}, {_number(x2, 3)})"
        f". At \u03c3 = {sigma}: KL(q\u2016p) = {_number(full)} nats for the full q, "
        f"{_number(diagonal)} for the diagonal one; as \u03c3 \u2192 0 they tend to 0 and "
        f"{_number(floor)}."
    )


def ellipse(center: np.ndarray, chol: np.ndarray, radius: float = 2.0) -> np.ndarray:
    """A closed line of 61 points around N(center, chol chol^T), (61, 2)."""
    turn = np.linspace(0, 2 * math.pi, 61)
    return center + radius * np.stack([np.cos(turn), np.sin(turn)], -1) @ chol.T


def rosenblatt_explorer(start: tuple[float, float] = (1.5, 0.5), sigma: float = 0.3) -> View:
    """Move z over the latent plane; see f(z) on the banana and q against the exact posterior.

    start  the first z, within REACH
    sigma  the first noise of the decoder, one of SIGMAS

    Raises ValueError for a start or a sigma that the view does not have.
    """
    if max(map(abs, start)) > REACH or sigma not in SIGMAS:
        raise ValueError(f"start {start} or sigma {sigma} is outside the view's {REACH}, {SIGMAS}")

    def live():
        import ipywidgets as w

        z1 = w.FloatSlider(value=start[0], min=-REACH, max=REACH, step=0.1, description="z\u2081")
        z2 = w.FloatSlider(value=start[1], min=-REACH, max=REACH, step=0.1, description="z\u2082")
        noise = w.SelectionSlider(options=SIGMAS, value=sigma, description="\u03c3")

        def show(a: float, b: float, sigma: float) -> str:
            return f"{svg(a, b, sigma)}<div>{sentence(a, b, sigma)}</div>"

        return w.VBox([picture(show, z1, z2, noise), z1, z2, noise])

    data = {
        "start": list(start),
        "sigma": sigma,
        "sigmas": list(SIGMAS),
        "reach": REACH,
        "bend": BEND,
        "spread": SPREAD,
        "ranges": [list(DATA_X), list(DATA_Y)],
    }
    label = "Explorer: a normal plane bent into a banana, and two q beside the exact posterior"
    return View("rosenblatt-explorer", "rosenblatt", data, label=label, live=live)


def svg(z1: float, z2: float, sigma: float) -> str:
    """Latent plane, banana, and the posterior in units of sigma around z, side by side."""
    z, (chol, sds) = np.array([z1, z2]), spreads(z1)
    lines = np.linspace(-REACH, REACH, 11)
    along = np.linspace(-REACH, REACH, 41)
    grid = [np.stack([np.full(41, a), along], -1) for a in lines]
    grid += [np.stack([along, np.full(41, a)], -1) for a in lines]
    span = microscope(z1)
    cells = [(j - 19.5) / 20 for j in range(40)]
    around = np.array([[[span[0] * a, span[1] * b] for a in cells] for b in cells])
    log_p = log_posterior(z + sigma * around, decode(z), sigma)
    shade = np.exp(log_p - log_p.max())
    boxes = [((-REACH, REACH), (-REACH, REACH)), (DATA_X, DATA_Y)]
    boxes.append(((-span[0], span[0]), (-span[1], span[1])))
    parts = []
    for k, box in enumerate(boxes):
        left = 40 + 230 * k

        def path(points, left=left, box=box) -> str:
            x = left + 190 * (points[:, 0] - box[0][0]) / (box[0][1] - box[0][0])
            y = 200 - 190 * (points[:, 1] - box[1][0]) / (box[1][1] - box[1][0])
            return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))

        if k < 2:
            shown = grid if k == 0 else [decode(line) for line in grid]
            parts += [f'<polyline points="{path(g)}" stroke="{GRAY}"/>' for g in shown]
            spot = path(np.array([z if k == 0 else decode(z)])).split(",")
            parts.append(f'<circle cx="{spot[0]}" cy="{spot[1]}" r="6" fill="{ORANGE}"/>')
        else:
            parts += [
                f'<rect x="{left + 190 * j / 40:.2f}" y="{10 + 190 * (39 - i) / 40:.2f}" '
                f'width="4.8" height="4.8" fill="{GRAY}" opacity="{value:.2f}"/>'
                for i, row in enumerate(shade)
                for j, value in enumerate(row)
                if value > 0.02
            ]
            for factor, ink, dash in ((chol, BLUE, ""), (np.diag(sds), ORANGE, "5 3")):
                points = path(ellipse(np.zeros(2), factor))
                parts.append(
                    f'<polyline points="{points}" stroke="{ink}" stroke-width="2" '
                    f'stroke-dasharray="{dash}"/>'
                )
        parts.append(_axes(left, box, k))
    return (
        '<svg viewBox="0 -16 700 262" width="100%" style="max-width:700px" role="img" fill="none" '
        'aria-label="Latent plane, banana and posterior" font-size="12">'
        '<clipPath id="rosenblatt-clip"><path d="M0 10H700V246H0Z"/></clipPath>'
        f'<g clip-path="url(#rosenblatt-clip)">{"".join(parts)}</g>'
        f'<g text-anchor="middle"><text x="540" y="0" fill="{BLUE}">\u2014 full q</text>'
        f'<text x="640" y="0" fill="{ORANGE}">\u2013 \u2013 diagonal q</text></g></svg>'
    )


def microscope(z1: float) -> tuple[float, float]:
    """Half the width and height of the third panel: three standard deviations and a bit."""
    return 4.0, 3.2 * math.hypot(2 * BEND * z1, 1) / SPREAD


def _axes(left: int, box: tuple, k: int) -> str:
    names = [
        ("z\u2081", "z\u2082"),
        ("x\u2081", "x\u2082"),
        ("(z \u2212 g)/\u03c3, first", "second"),
    ]
    texts = [
        (left, 216, "start", f"{box[0][0]:.1f}"),
        (left + 190, 216, "end", f"{box[0][1]:.1f}"),
        (left - 4, 200, "end", f"{box[1][0]:.1f}"),
        (left - 4, 20, "end", f"{box[1][1]:.1f}"),
        (left + 95, 232, "middle", names[k][0]),
        (left - 4, 110, "end", names[k][1]),
    ]
    return f'<path d="M{left} 10V200H{left + 190}" stroke="{GRAY}"/>' + "".join(
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="currentColor">'
        f"{text.replace('-', chr(0x2212))}</text>"
        for x, y, anchor, text in texts
    )


def _number(value: float, digits: int = 3) -> str:
    return f"{value:z,.{digits}f}".replace("-", "\u2212")
