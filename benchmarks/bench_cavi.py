"""One sweep of CAVI against a double loop and against scikit-learn, side by side.

    python benchmarks/bench_cavi.py

Prints ratios of CPU time, each from runs that took turns, and the memory a fit needs.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: one thread for every contender

import math
import warnings
from collections.abc import Callable

import numpy as np
from common import interleaved, line, peak_bytes
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import BayesianGaussianMixture

from vaelib import mixture

MIB = 2**20


def data(n: int, d: int, k: int) -> tuple[np.ndarray, mixture.Posterior]:
    """Points around k centers, and a start near them that no sweep leaves at once."""
    rng = np.random.default_rng(0)
    centers = 5 * rng.standard_normal((k, d))
    x = centers[rng.integers(k, size=n)] + rng.standard_normal((n, d))
    return x, mixture.Posterior(centers + 0.5 * rng.standard_normal((k, d)), np.full(k, 10.0))


def ours(x: np.ndarray, start: mixture.Posterior, sweeps: int) -> mixture.Fit:
    return mixture.fit(x, len(start.m), init=start, max_iter=sweeps, tol=-1)


def looped(x: np.ndarray, start: mixture.Posterior, sweeps: int) -> list[float]:
    """The equations point by point and component by component, as one first writes them."""
    (n, d), k, m, s2, elbos = x.shape, len(start.m), start.m.copy(), start.s2.copy(), []
    resp = np.zeros((n, k))
    for _ in range(sweeps):
        for i in range(n):
            for j in range(k):
                diff = x[i] - m[j]
                resp[i, j] = np.exp(-0.5 * np.dot(diff, diff) - 0.5 * d * s2[j])
            resp[i] /= resp[i].sum()
        for j in range(k):
            s2[j] = 1 / (1 + resp[:, j].sum())
            m[j] = s2[j] * (resp[:, j] @ x)
        elbo = -n * math.log(k)
        for i in range(n):
            for j in range(k):
                diff = x[i] - m[j]
                squares = np.sum(diff**2) + d * s2[j]
                elbo -= 0.5 * resp[i, j] * (d * np.log(2 * np.pi) + squares)
                elbo -= resp[i, j] * np.log(resp[i, j] + 1e-300)
        elbos.append(elbo - 0.5 * np.sum((m**2).sum(1) + d * (s2 - 1 - np.log(s2))))
    return elbos


def sklearn_mixture(x: np.ndarray, k: int, sweeps: int) -> Callable[[], object]:
    model = BayesianGaussianMixture(
        n_components=k,
        covariance_type="spherical",
        init_params="random",
        max_iter=sweeps,
        tol=0.0,
        random_state=0,
    )

    def run() -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.fit(x)

    return run


def per_sweep(seconds: list[float], empty: list[float], sweeps: int) -> list[float]:
    """The time of one sweep: what a run takes beyond one without sweeps."""
    return [(full - bare) / sweeps for full, bare in zip(seconds, empty, strict=True)]


def against_loop(n: int, k: int, repeats: int, goal: float) -> None:
    x, start = data(n, 2, k)
    got, expected = ours(x, start, 3), looped(x, start, 3)
    assert got.elbos[-1] >= expected[-1] - 1e-9 * abs(expected[-1])
    many = max(20, 1_000_000 // n)
    times = interleaved(
        {"fast": lambda: ours(x, start, many), "loop": lambda: looped(x, start, 1)}, repeats
    )
    fast = [t / many for t in times["fast"]]
    print(
        line(f"one sweep, double loop / ours, N = {n:,}, K = {k}", times["loop"], fast, goal=goal)
    )


def against_sklearn(n: int, d: int, k: int, repeats: int, goal: float | None) -> None:
    """Both run all their sweeps (a tol that never stops them), both with spherical clusters."""
    x, start = data(n, d, k)
    sweeps = 50 if n < 50_000 else 10
    times = interleaved(
        {
            "fast": lambda: ours(x, start, sweeps + 1),
            "fast, 1": lambda: ours(x, start, 1),
            "peer": sklearn_mixture(x, k, sweeps + 1),
            "peer, 1": sklearn_mixture(x, k, 1),
        },
        repeats,
    )
    fast = per_sweep(times["fast"], times["fast, 1"], sweeps)
    peer = per_sweep(times["peer"], times["peer, 1"], sweeps)
    print(
        line(f"one sweep, scikit-learn / ours, N = {n:,}, D = {d}, K = {k}", peer, fast, goal=goal)
    )


def memory(n: int, d: int) -> None:
    print(f"\npeak memory of a fit beyond the data ({n:,} points in {d} dimensions)")
    for k in (5, 20, 80):
        x, start = data(n, d, k)
        peak = peak_bytes(lambda x=x, start=start: ours(x, start, 2)) / MIB
        print(f"  K = {k:<4} {peak:6.1f} MiB; an N x K array alone {n * k * 8 / MIB:7.1f} MiB")


def main() -> None:
    print("CPU time; the median of the ratios of each round (and their quartiles)\n")
    against_loop(500, 4, 9, goal=200)
    against_loop(5_000, 4, 7, goal=1000)
    against_loop(5_000, 10, 5, goal=1000)
    against_sklearn(500, 2, 4, 15, goal=None)
    against_sklearn(5_000, 2, 4, 15, goal=5)
    against_sklearn(5_000, 2, 10, 15, goal=5)
    against_sklearn(50_000, 16, 10, 5, goal=5)
    against_sklearn(200_000, 2, 10, 5, goal=5)
    memory(200_000, 2)


if __name__ == "__main__":
    main()
