"""Theorem 4.1 in closed form for the banana density (thesis 4.3): decoder, two q and their KL.

x_1 ~ N(0, 1) and x_2 given x_1 ~ N(BEND (x_1^2 - 1), SPREAD^2), as `densities.banana`. The
decoder is a polynomial, so everything has a formula, but for one integral over z_1.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

BEND, SPREAD = 0.5, 0.5
OFFSETS = np.linspace(-8, 8, 161)  # nodes of the integral over z_1, in standard deviations
LOG_2PI = math.log(2 * math.pi)


class Gap(NamedTuple):
    """KL(q || p(z|x)) at x = f(z) in nats: the full q, the diagonal q, its limit as sigma -> 0."""

    full: float
    diagonal: float
    floor: float


def decode(z: ArrayLike) -> np.ndarray:
    """f(z), (..., 2) -> (..., 2): standard normal z become samples of the banana."""
    z1, z2 = np.moveaxis(np.asarray(z, float), -1, 0)
    return np.stack([z1, BEND * (z1**2 - 1) + SPREAD * z2], -1)


def spreads(z1: float) -> tuple[np.ndarray, np.ndarray]:
    """For decoder noise sigma = 1: chol (2, 2) of the full q, and the diagonal q's std (2,).

    Both scale with sigma. The diagonal q is the best one as sigma -> 0: its precisions are the
    diagonal of J_f^T J_f.
    """
    full = np.array([[1.0, 0.0], [-2 * BEND * z1 / SPREAD, 1 / SPREAD]])
    return full, np.array([1 / math.sqrt(1 + (2 * BEND * z1) ** 2), 1 / SPREAD])


def log_evidence(x1: float, x2: float, sigma: float) -> float:
    """log p_sigma(x) in nats: z_2 integrated by hand, z_1 by the trapezoid rule."""
    shrink = 1 / (1 + sigma**2)
    z1 = x1 * shrink + sigma * math.sqrt(shrink) * OFFSETS
    variance = SPREAD**2 + sigma**2
    log_f = -0.5 * ((x2 - BEND * (z1**2 - 1)) ** 2 / variance + OFFSETS**2)
    top = log_f.max()
    area = np.exp(log_f - top).sum() * (OFFSETS[1] - OFFSETS[0])
    rest = x1**2 * shrink + math.log(variance) - math.log(shrink) + 3 * LOG_2PI
    return float(top) + math.log(area) - 0.5 * rest


def gap(z1: float, z2: float, sigma: float) -> Gap:
    """Both divergences at x = f(z): log p_sigma(x) minus the ELBO of each q, in closed form."""
    x1, x2 = decode([z1, z2]).tolist()
    full, stds = spreads(z1)
    log_px = log_evidence(x1, x2, sigma)
    log_target = -0.5 * (z1**2 + z2**2) - LOG_2PI - math.log(SPREAD)
    bent = 3 * (BEND * sigma) ** 2
    elbo = log_target - 0.5 * (bent + sigma**2 * float((full**2).sum()))
    wide, tall = stds.tolist()
    flat = 0.5 * (sigma**2 * (wide**2 + tall**2) + bent * wide**4)
    diagonal = -0.5 * (z1**2 + z2**2) - LOG_2PI + math.log(wide * tall) - flat
    return Gap(log_px - elbo, log_px - diagonal, 0.5 * math.log1p((2 * BEND * z1) ** 2))
