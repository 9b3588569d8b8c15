"""log p(x) of the Gaussian mixture, exactly or by sampling: what its ELBO is measured against.

All evidences are in nats for the whole data set. Arrays: x (N, D), centers m (K, D).
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from vaelib.mixture import CHUNK_BYTES, LOG_2PI, Posterior, points, positive

MAX_ASSIGNMENTS = 2**20
MAX_NAMES = 12  # 2^12 sets of names; each holds one number per draw


class Evidence(NamedTuple):
    """An estimate of log p(x) in nats, its standard error, its effective share of the draws."""

    log_p: float
    stderr: float
    ess: float


def log_evidence_enumerated(x: np.ndarray, n_components: int, *, sigma2: float = 1.0) -> float:
    """log p(x) exactly, nats: the sum over all K^N assignments, each a product of Gaussians.

    Given the assignment, the points of one cluster are jointly normal with covariance
    I + sigma2 (all ones), in every coordinate. Raises ValueError above 2^20 assignments.
    """
    x, _ = points(x), positive(sigma2)
    (n, d), k = x.shape, n_components
    if k < 1 or n * math.log2(k) > math.log2(MAX_ASSIGNMENTS):
        raise ValueError(f"cannot enumerate {k}^{n} assignments (from 1 to {MAX_ASSIGNMENTS})")
    center = x.mean(0)
    counts, sums = np.zeros((1, k)), np.zeros((1, k, d))
    for point in x - center:  # every assignment so far, continued in K ways
        counts = (counts[:, None] + np.eye(k)).reshape(-1, k)
        sums = (sums[:, None] + np.eye(k)[:, :, None] * point).reshape(-1, k, d)
    means = sums / np.maximum(counts, 1)[..., None]
    within = ((x - center) ** 2).sum() - (sums * means).sum((1, 2))
    between = counts * ((means + center) ** 2).sum(-1) / (1 + sigma2 * counts)
    log_det = d * np.log1p(sigma2 * counts)
    log_joint = -0.5 * (within + (between + log_det).sum(-1))
    return float(logsumexp(log_joint)) - n * math.log(k) - 0.5 * n * d * LOG_2PI


def log_likelihood(x: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """log p(x | mu) with the labels summed out, nats: centers (L, K, D) -> (L,)."""
    (n_draws, k, d), n = centers.shape, len(x)
    width = max(1, CHUNK_BYTES // (8 * k * n))
    found = np.empty(n_draws)
    for start in range(0, n_draws, width):
        some = centers[start : start + width]
        logits = -0.5 * cdist(some.reshape(-1, d), x, "sqeuclidean").reshape(-1, k, n)
        top = logits.max(1)
        total = np.exp(logits - top[:, None]).sum(1)
        found[start : start + width] = (top + np.log(total)).sum(-1)
    return found - n * (math.log(k) + 0.5 * d * LOG_2PI)


def log_evidence_importance(
    x: np.ndarray,
    posterior: Posterior,
    *,
    sigma2: float = 1.0,
    n_draws: int = 20_000,
    rng: np.random.Generator,
    widen: float = 1.1,
) -> Evidence:
    """log p(x) by importance sampling, nats: draws from q(mu), labels summed out exactly.

    p(x, mu) stays the same when centers swap names, so it has K! equal copies of each mode
    and q(mu) covers one. Its mean over the K! namings covers them all; since the copies are
    equal, drawing from one and weighing with the mean is enough. The draws spread `widen`
    times as far as q(mu), which is too narrow where clusters overlap. A mode that no copy of
    q(mu) covers is not seen: bring the best of many restarts. Raises ValueError for K > 12.
    """
    x, _ = points(x, posterior), positive(sigma2)
    if len(posterior.m) > MAX_NAMES:
        raise ValueError(f"K must be at most {MAX_NAMES} here, got {len(posterior.m)}")
    (k, d), m, s2 = posterior.m.shape, posterior.m, widen**2 * posterior.s2
    mu = m + np.sqrt(s2)[:, None] * rng.standard_normal((n_draws, k, d))
    squares = ((mu[:, :, None] - m) ** 2).sum(-1)  # (L, K, K)
    log_q = _log_mean_over_names(-0.5 * (squares / s2 + d * (LOG_2PI + np.log(s2))))
    log_prior = -0.5 * ((mu**2).sum((1, 2)) / sigma2 + k * d * (LOG_2PI + math.log(sigma2)))
    log_w = log_prior + log_likelihood(x, mu) - log_q
    ess = float(np.exp(2 * logsumexp(log_w) - logsumexp(2 * log_w))) / n_draws
    log_p = float(logsumexp(log_w)) - math.log(n_draws)
    return Evidence(log_p, math.sqrt(max(1 / ess - 1, 0) / n_draws), ess)


def _log_mean_over_names(log_a: np.ndarray) -> np.ndarray:
    """log of the mean over permutations p of prod_k exp(log_a[:, k, p(k)]): (L, K, K) -> (L,).

    The sum over the ways of naming the first j rows, for every set of j names: 2^K sets
    instead of K! permutations.
    """
    k = log_a.shape[-1]
    ways = {frozenset(): np.zeros(len(log_a))}
    for row in range(k):
        ways = {
            names: logsumexp([ways[names - {j}] + log_a[:, row, j] for j in names], axis=0)
            for names in map(frozenset, combinations(range(k), row + 1))
        }
    return ways[frozenset(range(k))] - math.lgamma(k + 1)
