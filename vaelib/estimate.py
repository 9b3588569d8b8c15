"""A measured mean with its standard error, or an array of them: what a check compares.

An `Estimate` knows how far it is from an exact value in standard errors (`off`), and
`ledger.check` turns it and the exact value into the interval that it asserts. Whenever an
estimate is printed, `±` is 95 %.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from torch import Tensor

HALF_WIDTH_95 = 1.96  # standard errors to each side that hold 95 % of a normal density


@dataclass(frozen=True, eq=False)
class Estimate:
    """A measured value, the standard error of it, and the number of samples behind both.

    value, stderr  floats, or arrays of one shape; tensors are taken to the CPU
    n              number of samples, 2 or more

    `-` and `/` take two estimates as independent and propagate their errors to first order; an
    exact number shifts or scales. A difference of paired samples is `Estimate.of(a - b)`.

    Raises ValueError when a standard error is negative or not finite, when the shapes differ,
    or when n is below 2: one sample has no standard error.
    """

    value: float | np.ndarray
    stderr: float | np.ndarray
    n: int

    __array_ufunc__ = None  # NumPy leaves `array - estimate` to the methods below

    def __post_init__(self) -> None:
        value, stderr = _array(self.value), _array(self.stderr)
        if value.shape != stderr.shape:
            raise ValueError(f"value has shape {value.shape}, its stderr {stderr.shape}")
        if not (np.isfinite(stderr) & (stderr >= 0)).all():
            raise ValueError(f"stderr is {stderr}, expected a finite number, 0 or larger")
        if self.n < 2:
            raise ValueError(f"n is {self.n}, expected 2 or more: one sample has no stderr")
        for name, found in {"value": _scalar(value), "stderr": _scalar(stderr)}.items():
            object.__setattr__(self, name, found)
        object.__setattr__(self, "n", int(self.n))

    @classmethod
    def of(cls, samples: ArrayLike | Tensor) -> Estimate:
        """Mean over the first axis: samples (n, ...) give an estimate of shape (...).

        The standard error is the samples' standard deviation (with n - 1) over sqrt(n).
        Raises ValueError when there are fewer than 2 samples, or one is not finite.
        """
        x = _samples(samples)
        return cls(x.mean(0), x.std(0, ddof=1) / np.sqrt(len(x)), len(x))

    @classmethod
    def variance(cls, samples: ArrayLike | Tensor) -> Estimate:
        """Unbiased variance over the first axis, with the standard error from the fourth moment.

        samples (n, ...) give an estimate of shape (...). Raises ValueError as `of` does.
        """
        x = _samples(samples)
        squares = (x - x.mean(0)) ** 2
        return cls(x.var(0, ddof=1), squares.std(0, ddof=1) / np.sqrt(len(x)), len(x))

    @classmethod
    def proportion(cls, count: int, n: int, p: float | None = None) -> Estimate:
        """count / n with its binomial standard error, sqrt(p (1 - p) / n).

        p is the exact proportion where a check knows it; else the measured one takes its place.
        Raises ValueError unless 0 <= count <= n and 0 <= p <= 1.
        """
        share = float(count) / n
        p = share if p is None else p
        if not (0 <= share <= 1 and 0 <= p <= 1):
            raise ValueError(
                f"count is {count} of n = {n}, p is {p}: expected 0 <= p <= 1 for both"
            )
        return cls(share, np.sqrt(p * (1 - p) / n), n)

    @classmethod
    def stack(cls, estimates: Iterable[Estimate], axis: int = 0) -> Estimate:
        """Estimates of one shape along a new axis, with the smallest n of them."""
        parts = list(estimates)
        value = np.stack([part.value for part in parts], axis)
        stderr = np.stack([part.stderr for part in parts], axis)
        return cls(value, stderr, min(part.n for part in parts))

    def off(self, exact: ArrayLike | Tensor) -> float | np.ndarray:
        """The distance from an exact value in standard errors, entry by entry.

        Raises ValueError when a standard error is 0: no distance can be counted in it.
        """
        if not np.all(np.asarray(self.stderr) > 0):
            raise ValueError(f"stderr is {self.stderr}: a distance needs one above 0")
        return _scalar(np.abs(self.value - _array(exact)) / self.stderr)

    def interval(self, k: float) -> tuple[float | np.ndarray, float | np.ndarray]:
        """(value - k stderr, value + k stderr)."""
        return self.value - k * self.stderr, self.value + k * self.stderr

    def __getitem__(self, index: object) -> Estimate:
        """One entry, or several, of an array of estimates."""
        return Estimate(_array(self.value)[index], _array(self.stderr)[index], self.n)

    def __sub__(self, other: Estimate | ArrayLike) -> Estimate:
        if not isinstance(other, Estimate):
            return Estimate(self.value - _array(other), self.stderr, self.n)
        stderr = np.hypot(self.stderr, other.stderr)
        return Estimate(self.value - _array(other.value), stderr, min(self.n, other.n))

    def __rsub__(self, exact: ArrayLike) -> Estimate:
        return -1 * (self - exact)

    def __mul__(self, exact: ArrayLike) -> Estimate:
        factor = _array(exact)
        return Estimate(self.value * factor, self.stderr * np.abs(factor), self.n)

    __rmul__ = __mul__

    def __truediv__(self, other: Estimate | ArrayLike) -> Estimate:
        if not isinstance(other, Estimate):
            return self * (1 / _array(other))
        ratio = self.value / _array(other.value)
        stderr = np.hypot(self.stderr, ratio * other.stderr) / np.abs(other.value)
        return Estimate(ratio, stderr, min(self.n, other.n))

    def __format__(self, spec: str) -> str:
        """`f"{e:.3f}"` gives `1.234 ± 0.010`; without a format the error has two digits."""
        if np.ndim(self.value):
            if spec:
                raise ValueError(f"estimates of shape {self.value.shape}: format one entry")
            return repr(self)
        half = HALF_WIDTH_95 * self.stderr
        if not spec:
            # The decimals that show the half-width with two significant digits.
            digits = max(0, 1 - int(np.floor(np.log10(half)))) if half else 6
            spec = f".{digits}f"
        return f"{self.value:{spec}} ± {half:{spec.lstrip('+')}}"

    def __str__(self) -> str:
        return format(self)


def _array(values: object) -> np.ndarray:
    """As float64; tensors leave their graph and device."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    return np.asarray(values, dtype=np.float64)


def _scalar(values: np.ndarray) -> float | np.ndarray:
    return values if np.ndim(values) else float(values)


def _samples(samples: object) -> np.ndarray:
    x = _array(samples)
    if not x.ndim or len(x) < 2:
        raise ValueError(f"samples have shape {x.shape}, expected 2 or more on the first axis")
    if not np.isfinite(x).all():
        raise ValueError("a sample is not finite, so the mean has no standard error")
    return x
