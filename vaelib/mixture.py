"""Coordinate ascent for a Bayesian mixture of Gaussians (thesis 2.4, listing A.1).

The model: centers mu_k ~ N(0, sigma2 I), labels c_i uniform on 1..K, x_i ~ N(mu_{c_i}, I).
The approximation: q(mu_k) = N(m_k, s2_k I) and q(c_i = k) = resp[i, k], all independent.

`responsibilities`, `update` and `elbo_terms` are the equations, written for readability; `fit`
fuses them into one pass over the data. ELBOs are in nats for the whole data set. Arrays:
x (N, D), m (K, D), s2 (K,), resp (N, K).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

# SciPy is imported by the functions that use it: it takes four times as long as all the rest.

LOG_2PI = math.log(2 * math.pi)
START_S2 = 10.0  # variance of q(mu_k) before the first sweep, as in listing A.1
CHUNK_BYTES = 2**20  # working memory of a sweep: small enough to stay in the cache
# Weights below exp(-300) times the largest do not change a sum; below exp(-700) they would be
# subnormal numbers, on which arithmetic is up to forty times slower.
LOWEST = -300.0


@dataclass(frozen=True)
class Posterior:
    """q(mu): means m (K, D) and variances s2 (K,). The optimal q(c) follows from them."""

    m: np.ndarray
    s2: np.ndarray

    def __post_init__(self):
        m, s2 = np.asarray(self.m, float), np.asarray(self.s2, float)
        if m.ndim != 2 or s2.shape != m.shape[:1] or m.size == 0:
            raise ValueError(f"m must be (K, D) and s2 (K,), got {m.shape} and {s2.shape}")
        if not (np.isfinite(m).all() and np.isfinite(s2).all() and (s2 > 0).all()):
            raise ValueError("m must be finite, s2 finite and above 0")
        object.__setattr__(self, "m", m)
        object.__setattr__(self, "s2", s2)


class Fit(NamedTuple):
    """A run of CAVI: the final q(mu), and ELBO and centers after 0, 1, ..., T sweeps."""

    posterior: Posterior
    elbos: np.ndarray  # (T + 1,)
    path: np.ndarray  # (T + 1, K, D)
    converged: bool

    @property
    def elbo(self) -> float:
        """The ELBO of the final q(mu) with its optimal responsibilities, nats."""
        return float(self.elbos[-1])


class Basin(NamedTuple):
    """The runs that reached the same optimum, up to a permutation of the labels."""

    best: Fit
    runs: list[int]


def responsibilities(x: np.ndarray, posterior: Posterior) -> np.ndarray:
    """The optimal q(c) for this q(mu): resp (N, K), each row a distribution (Cor. 2.1).

    Proportional to exp(-|x_i - m_k|^2 / 2 - D s2_k / 2), computed in log space so that points
    far from every center do not underflow.
    """
    x = points(x, posterior)
    from scipy.special import softmax

    squares = ((x[:, None] - posterior.m) ** 2).sum(-1)
    return softmax(-0.5 * (squares + x.shape[1] * posterior.s2), axis=1)


def update(x: np.ndarray, resp: np.ndarray, *, sigma2: float = 1.0) -> Posterior:
    """The optimal q(mu) for this q(c) (thesis 2.4): cluster means shrunk toward the prior's 0."""
    s2 = 1 / (1 / positive(sigma2) + resp.sum(0))
    return Posterior(s2[:, None] * (resp.T @ points(x)), s2)


def elbo_terms(
    x: np.ndarray, posterior: Posterior, resp: np.ndarray, *, sigma2: float = 1.0
) -> dict[str, float]:
    """The five terms of the ELBO in the order of the thesis (2.4), nats; their sum is the ELBO."""
    from scipy.special import xlogy

    x = points(x, posterior)
    (n, d), (m, s2), k = x.shape, (posterior.m, posterior.s2), len(posterior.m)
    squares = ((x[:, None] - m) ** 2).sum(-1) + d * s2  # E|x_i - mu_k|^2
    return {
        "E log p(mu)": -0.5 * k * d * math.log(2 * math.pi * positive(sigma2))
        - 0.5 * float((m**2).sum() + d * s2.sum()) / sigma2,
        "E log p(c)": -n * math.log(k),
        "E log p(x | c, mu)": -0.5 * float((resp * (d * LOG_2PI + squares)).sum()),
        "entropy of q(c)": -float(xlogy(resp, resp).sum()),
        "entropy of q(mu)": 0.5 * d * float((LOG_2PI + 1 + np.log(s2)).sum()),
    }


def elbo(
    x: np.ndarray, posterior: Posterior, resp: np.ndarray | None = None, *, sigma2: float = 1.0
) -> float:
    """The ELBO in nats; resp defaults to the optimal responsibilities for this q(mu)."""
    resp = responsibilities(x, posterior) if resp is None else resp
    return sum(elbo_terms(x, posterior, resp, sigma2=sigma2).values())


def random_start(rng: np.random.Generator, n_components: int, dim: int) -> Posterior:
    """An initial q(mu) as in listing A.1: m from N(0, 4 I), s2 = 10 for every component."""
    if n_components < 1:
        raise ValueError(f"n_components must be at least 1, got {n_components}")
    return Posterior(2 * rng.standard_normal((n_components, dim)), np.full(n_components, START_S2))


def fit(
    x: np.ndarray,
    n_components: int,
    *,
    sigma2: float = 1.0,
    rng: np.random.Generator | None = None,
    init: Posterior | None = None,
    max_iter: int = 1000,
    tol: float = 1e-12,
) -> Fit:
    """Algorithm 1 for the mixture: sweep until a sweep raises the ELBO by at most tol * |ELBO|.

    Starts from `init` or from `random_start(rng, ...)`; tol < 0 runs all max_iter sweeps.
    Raises ValueError unless x is a finite (N, D) array, sigma2 > 0, n_components >= 1, and
    exactly one of rng and init is given, with init of the right shape.
    """
    x, _ = points(x), positive(sigma2)
    start = init if rng is None else random_start(rng, n_components, x.shape[1])
    if start is None or (init is not None and rng is not None):
        raise ValueError("give a generator rng or a start init: exactly one of the two")
    if start.m.shape != (n_components, x.shape[1]):
        raise ValueError(f"init.m must be ({n_components}, {x.shape[1]}), got {start.m.shape}")
    data, elbos, path = _Centered(x), [], []
    m, s2, shifted = start.m, start.s2, start.m - data.center
    for _ in range(max_iter + 1):
        counts, sums, log_norm = data.sweep(shifted, s2)
        path.append(m)
        elbos.append(log_norm - _kl_to_prior(m, s2, sigma2))
        converged = len(elbos) > 1 and elbos[-1] - elbos[-2] <= tol * abs(elbos[-1])
        if converged or len(elbos) > max_iter:
            break
        s2 = 1 / (1 / sigma2 + counts)
        # The centers relative to the prior's origin and, below, to the mean of the data: kept
        # in both forms, since converting one to the other subtracts large numbers.
        m = s2[:, None] * (sums + counts[:, None] * data.center)
        shifted = s2[:, None] * (sums - data.center / sigma2)
    return Fit(Posterior(m, s2), np.array(elbos), np.array(path), bool(converged))


class _Centered:
    """The centered data, one column per point: the only array that has the size of x."""

    def __init__(self, x: np.ndarray):
        self.center = x.mean(0)
        self.columns = np.empty(x.shape[::-1])
        np.subtract(x.T, self.center[:, None], out=self.columns)
        # m'x - |m|^2 / 2 cancels digits where |x|^2 / 2 is large; distances do not.
        self.wide = max((part**2).sum(0).max() for part in self._parts(1)) > 2e5
        squares = 0 if self.wide else np.vdot(self.columns, self.columns)
        self.constant = -0.5 * (x.size * LOG_2PI + squares)

    def _parts(self, k: int) -> Iterator[np.ndarray]:
        """The columns, (D, B) at a time: as many as fit the working memory with K logits each."""
        width = max(64, CHUNK_BYTES // (8 * (k + 2 * (len(self.columns) + 1))))
        for start in range(0, self.columns.shape[1], width):
            yield self.columns[:, start : start + width]

    def sweep(self, m: np.ndarray, s2: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Counts (K,) and sums (K, D) weighted by responsibility, and the log normalizer.

        m is relative to the center. Responsibilities exist for one chunk at a time. The log
        normalizer is E log p(x, c | mu) plus the entropy of q(c): the ELBO needs no second pass.
        """
        (k, d), n = m.shape, self.columns.shape[1]
        weights = np.empty((k, d + 1))
        weights[:, 0], weights[:, 1:] = -0.5 * ((m * m).sum(1) + d * s2), m
        totals, log_norm = np.zeros((k, d + 1)), self.constant - n * math.log(k)
        for part in self._parts(k):
            rows = np.empty((d + 1, part.shape[1]))
            rows[0], rows[1:] = 1, part
            if self.wide:
                from scipy.spatial.distance import cdist

                logits = -0.5 * (cdist(m, part.T, "sqeuclidean") + d * s2[:, None])
            else:
                logits = weights @ rows
            top, total = _exp_in_place(logits)
            log_norm += top.sum() + np.log(total).sum()
            rows /= total
            totals += logits @ rows.T
        return totals[:, 0], totals[:, 1:], float(log_norm)


def _exp_in_place(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Overwrite logits (K, B) with exp(logits - top); return top and the sums over K, (B,)."""
    top = logits.max(0)
    np.maximum(logits, top + LOWEST, out=logits)
    logits -= top
    np.exp(logits, out=logits)
    return top, logits.sum(0)


def restarts(
    x: np.ndarray, n_components: int, n_restarts: int, *, rng: np.random.Generator, **options: Any
) -> list[Fit]:
    """Independent runs of `fit` from random starts; `options` are those of `fit`."""
    return [fit(x, n_components, rng=rng, **options) for _ in range(n_restarts)]


def relabel(posterior: Posterior, m: np.ndarray) -> Posterior:
    """The posterior with its labels permuted to match the centers m (K, D) as well as possible."""
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    _, order = linear_sum_assignment(cdist(m, posterior.m))
    return Posterior(posterior.m[order], posterior.s2[order])


def basins(fits: list[Fit], *, tol: float = 0.05) -> list[Basin]:
    """Runs grouped by optimum, best first: ELBOs (nats) and matched centers agree within tol."""
    found: list[Basin] = []
    for i, run in sorted(enumerate(fits), key=lambda pair: -pair[1].elbo):
        for basin in found:
            m = basin.best.posterior.m
            apart = np.abs(relabel(run.posterior, m).m - m).max()
            if abs(basin.best.elbo - run.elbo) < tol and apart < tol:
                basin.runs.append(i)
                break
        else:
            found.append(Basin(run, [i]))
    return found


def _kl_to_prior(m: np.ndarray, s2: np.ndarray, sigma2: float) -> float:
    """KL(q(mu) || p(mu)), nats."""
    ratio = s2 / sigma2
    return 0.5 * float(np.vdot(m, m) / sigma2 + m.shape[1] * (ratio - 1 - np.log(ratio)).sum())


def points(x: np.ndarray, posterior: Posterior | None = None) -> np.ndarray:
    """x as floats; raises ValueError unless it is a finite (N, D) that fits the posterior."""
    x = np.asarray(x, float)
    if x.ndim != 2 or x.size == 0:
        raise ValueError(f"x must be (N, D) with N and D at least 1, got shape {x.shape}")
    if not (x.max() < 1e150 and x.min() > -1e150):
        raise ValueError("x must be finite and below 1e150, so that squares are finite too")
    if posterior is not None and posterior.m.shape[1] != x.shape[1]:
        raise ValueError(f"x has {x.shape[1]} columns, the centers have {posterior.m.shape[1]}")
    return x


def positive(sigma2: float) -> float:
    """sigma2 itself; raises ValueError unless it is positive and finite."""
    if not 0 < sigma2 < math.inf:
        raise ValueError(f"sigma2 must be positive and finite, got {sigma2}")
    return sigma2
