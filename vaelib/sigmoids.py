"""Sums of sigmoids that climb along a function on [0, 1], and how far they are from it.

The constructive proof of the universal approximation theorem in one dimension (thesis 1.2,
Theorem 1.1 with n = 1): `staircase` gives the weights, `proven_bound` a bound on the largest
error from the function's modulus of continuity.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

GRID_PER_STEP = 16  # points per step at which an error is measured, in the view too


@dataclass(frozen=True)
class Curve:
    """A function on [0, 1] to approximate, with a concave modulus of continuity if it has one.

    f        values at x (N,), (N,)
    modulus  concave, |f(x) - f(y)| <= modulus(|x - y|); None for a function with a jump
    jump     where f jumps from 0 to 1, None for a continuous one
    """

    name: str
    f: Callable[[np.ndarray], np.ndarray]
    modulus: Callable[[float], float] | None
    jump: float | None = None


def _wave(x: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * x) + 0.5 * np.cos(5 * np.pi * x)


def _tent(x: np.ndarray) -> np.ndarray:
    return np.minimum(3 * x, 1.5 * (1 - x))


# The view of chapter 2 has the same four functions in the same order.
CURVES = {
    "wave": Curve("a wave", _wave, lambda h: 4.5 * math.pi * h),
    "tent": Curve("a tent", _tent, lambda h: 3 * h),
    "root": Curve("a square root", np.sqrt, math.sqrt),
    "step": Curve("a jump", lambda x: np.heaviside(np.asarray(x) - 0.5, 0.5), None, jump=0.5),
}


def staircase(
    f: Callable[[np.ndarray], np.ndarray], n_steps: int, sharpness: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights w, biases b and heights alpha, (n_steps + 1,) each, of a sum of sigmoids.

    Step j climbs from f((j - 1) / n) to f(j / n) around (j - 1/2) / n; its weight is
    sharpness * n. The first unit has weight 0 and is the constant f(0).
    """
    values = f(np.arange(n_steps + 1) / n_steps)
    w = np.concatenate([[0.0], np.full(n_steps, sharpness * n_steps)])
    b = np.concatenate([[0.0], -sharpness * (np.arange(1, n_steps + 1) - 0.5)])
    return w, b, np.concatenate([[2 * values[0]], np.diff(values)])


def sigmoid_sum(x: np.ndarray, w: np.ndarray, b: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """sum_i alpha_i sigma(w_i x + b_i) at x (N,), with w, b and alpha (n_units,) each: (N,)."""
    total = np.empty(len(x))
    for start in range(0, len(x), 2048):  # a block of rows stays in the cache
        rows = slice(start, start + 2048)
        total[rows] = expit(np.outer(x[rows], w) + b) @ alpha
    return total


def largest_error(
    curve: Curve, n_steps: int, sharpness: float, per_step: int = GRID_PER_STEP
) -> float:
    """The largest |f - staircase| on a grid of per_step points per step, and beside a jump."""
    weights = staircase(curve.f, n_steps, sharpness)
    x = np.arange(per_step * n_steps + 1) / (per_step * n_steps)
    error = np.abs(sigmoid_sum(x, *weights) - curve.f(x)).max()
    if curve.jump is not None:
        there = sigmoid_sum(np.array([curve.jump]), *weights)[0]
        error = max(error, abs(there), abs(1 - there))
    return float(error)


def proven_bound(curve: Curve, n_steps: int, sharpness: float) -> float | None:
    """modulus((1/2 + 2 log 2 / sharpness) / n_steps), an upper bound on the error everywhere.

    Chapter 2 proves it. None for a function with a jump, which has no modulus.
    """
    if curve.modulus is None:
        return None
    return curve.modulus((0.5 + 2 * math.log(2) / sharpness) / n_steps)
